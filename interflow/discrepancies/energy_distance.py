"""The energy distance."""

from __future__ import annotations

from typing import final

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.discrepancies.base import Discrepancy
from interflow.discrepancies.mmd import MMD, Estimator, Reduction
from interflow.kernels import DistanceKernel, Kernel
from interflow.sums import Backend, Explanation


@final
class EnergyDistance(Discrepancy):
    """``D = 2 Σ aᵢbⱼ |xᵢ − yⱼ| − Σ aᵢaⱼ |xᵢ − xⱼ| − Σ bᵢbⱼ |yᵢ − yⱼ|`` (Székely and Rizzo, 2004).

    It is ``MMD(DistanceKernel())``, and needs no bandwidth. `scipy.stats.energy_distance` returns its square root, and
    GeomLoss half of it.

    Args:
        boundary: the domain; None for open space.
        estimator: ``"biased"``, or ``"unbiased"`` for the U-statistic, as in `MMD`.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.
        backend: how pairs are summed, a name or an instance.
        tolerance: the error that the sums may have; None for exact ones.

    Raises:
        ArgumentError: as `MMD` does.

    Warns:
        InterflowWarning: on a torus, where the distance is not positive definite.

    Example:
        >>> import torch
        >>> EnergyDistance()(torch.zeros(1, 1), torch.ones(1, 1)).item()
        2.0
    """

    def __init__(
        self,
        *,
        boundary: Boundary | None = None,
        estimator: Estimator = "biased",
        normalise: bool = False,
        reduction: Reduction = "mean",
        backend: str | Backend = "auto",
        tolerance: float | None = None,
    ) -> None:
        super().__init__(boundary, normalise=normalise)
        self.mmd = MMD(
            DistanceKernel(),
            boundary=boundary,
            estimator=estimator,
            normalise=normalise,
            reduction=reduction,
            backend=backend,
            tolerance=tolerance,
        )

    @property
    def estimator(self) -> Estimator:
        """As given."""
        return self.mmd.estimator

    @property
    def reduction(self) -> Reduction:
        """As given."""
        return self.mmd.reduction

    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        value: Tensor = self.mmd(x, y, x_weights, y_weights)
        return value

    def value_and_velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.mmd.value_and_velocity(x, y, x_weights, y_weights)

    def kernels(self) -> list[Kernel]:
        return self.mmd.kernels()

    def explain(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> list[tuple[str, Explanation]]:
        return self.mmd.explain(x, y, x_weights, y_weights)

    def relative(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        return self.mmd.relative(x, y, x_weights, y_weights)

    def velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        return self.mmd.velocity(x, y, x_weights, y_weights)
