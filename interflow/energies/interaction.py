"""The energy of points that act on each other through a kernel."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from interflow import sums
from interflow.boundaries import Boundary, OpenBoundary
from interflow.energies.base import Energy
from interflow.kernels import Kernel
from interflow.measures import weighted_sum, zero_where_weightless
from interflow.sums import Backend
from interflow.validation import check_instance


@final
class InteractionEnergy(Energy):
    """``E = ½ Σᵢⱼ aᵢ aⱼ k(xᵢ, xⱼ)``, with velocity ``vᵢ = −∇ₓ Σⱼ aⱼ k(xᵢ, xⱼ)`` for a symmetric kernel.

    The diagonal ``i = j`` is kept where k(0) exists; for a singular kernel a particle itself is left out, and its own
    images count where all images do. Descent along a decreasing profile repels, along an increasing one attracts;
    ``-2.0 * energy`` flips and scales.

    Args:
        kernel: the kernel k.
        boundary: the domain; None for open space.
        backend: how pairs are summed, a name or an instance.
        tolerance: the error that the sums may have; None for exact ones.

    Raises:
        ArgumentError: if the kernel is not a `Kernel`.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> energy = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> energy.velocity(torch.tensor([[0.0], [1.0]]))  # the two repel each other
        tensor([[-0.3033],
                [ 0.3033]])
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        boundary: Boundary | None = None,
        backend: str | Backend = "auto",
        tolerance: float | None = None,
    ) -> None:
        check_instance("kernel", kernel, Kernel)
        super().__init__(OpenBoundary() if boundary is None else boundary)
        self.kernel = kernel
        self.backend = backend
        self.tolerance = tolerance
        self._self_pairs: sums.SelfPairs = "images" if kernel.at_zero() is None else True

    def forward(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        self.check(positions, weights)
        return 0.5 * sums.quadratic(self.kernel, positions, weights, **self._options)

    def value_and_velocity(self, positions: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if not self.kernel.symmetric:
            return super().value_and_velocity(positions, weights)
        self.check(positions, weights)
        potential, field = sums.potential_and_field(self.kernel, positions, positions, weights, **self._options)
        return 0.5 * weighted_sum(potential, weights), zero_where_weightless(-field, weights)

    def velocity(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        if not self.kernel.symmetric:
            return super().velocity(positions, weights)
        self.check(positions, weights)
        field = sums.field(self.kernel, positions, positions, weights, **self._options)
        return zero_where_weightless(-field, weights)

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, sums.Explanation]]:
        said = sums.explain(self.kernel, positions, positions, weights, **self._options)
        return [(self.describe(), said)]

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "boundary": self.boundary,
            "self_pairs": self._self_pairs,
            "backend": sums.for_repeated_calls(self.backend),
            "tolerance": self.tolerance,
        }

    def kernels(self) -> list[Kernel]:
        return [self.kernel]

    def describe(self) -> str:
        return f"InteractionEnergy({type(self.kernel).__name__})"
