"""The energy of points drawn to a target."""

from __future__ import annotations

from typing import final

from torch import Tensor

from interflow.discrepancies import Discrepancy
from interflow.energies.base import Energy, Features
from interflow.kernels import Kernel
from interflow.sums import Explanation
from interflow.validation import check_cloud, check_instance, check_masses, check_not_empty


@final
class DiscrepancyEnergy(Energy):
    """``E = D(Σ aᵢ δ_{xᵢ}, Σ bⱼ δ_{yⱼ})`` for a fixed target; its domain is the discrepancy's.

    Args:
        discrepancy: D.
        target: y, ``(M, d)``.
        target_weights: b, ``(M,)``, not negative; None for 1/M.

    Raises:
        ArgumentError: if the target is not a weighted cloud of at least one point.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> from interflow.discrepancies import MMD
        >>> energy = DiscrepancyEnergy(MMD(GaussianKernel(sigma=1.0)), target=torch.tensor([[1.0]]))
        >>> energy.velocity(torch.tensor([[0.0]]))  # towards the target
        tensor([[1.2131]])
    """

    target: Tensor
    target_weights: Tensor | None

    def __init__(self, discrepancy: Discrepancy, target: Tensor, target_weights: Tensor | None = None) -> None:
        check_instance("discrepancy", discrepancy, Discrepancy)
        check_cloud(target, target_weights, names=("target", "target_weights"))
        check_not_empty(target, "target")
        check_masses(target_weights, "target_weights")
        super().__init__(discrepancy.boundary)
        self.discrepancy = discrepancy
        self.register_buffer("target", target)
        self.register_buffer("target_weights", target_weights)

    def forward(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.discrepancy(positions, self.target, weights, self.target_weights)

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.discrepancy.value_and_velocity(positions, self.target, weights, self.target_weights)

    def velocity(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        return self.discrepancy.velocity(positions, self.target, weights, self.target_weights)

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, Explanation]]:
        return self.discrepancy.explain(positions, self.target, weights, self.target_weights)

    def kernels(self) -> list[Kernel]:
        return self.discrepancy.kernels()

    def describe(self) -> str:
        return f"DiscrepancyEnergy({type(self.discrepancy).__name__})"
