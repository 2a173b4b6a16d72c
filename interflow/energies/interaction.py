"""The energy of points that act on each other through a kernel, or by any law of a pair."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from interflow import sums
from interflow.boundaries import Boundary, OpenBoundary
from interflow.energies.base import Energy, Features
from interflow.energies.law_sum import LawSum
from interflow.errors import ArgumentError
from interflow.kernels import Interaction, Kernel
from interflow.measures import weighted_sum, zero_where_weightless
from interflow.sums import Backend


@final
class InteractionEnergy(Energy):
    """``E = ½ Σᵢⱼ aᵢ aⱼ k(xᵢ, xⱼ)``, with velocity ``vᵢ = −∇ₓ Σⱼ aⱼ k(xᵢ, xⱼ)`` for a symmetric kernel.

    The diagonal ``i = j`` is kept where k(0) exists; for a singular kernel a particle itself is left out, and its own
    images count where all images do. Descent along a decreasing profile repels, along an increasing one attracts;
    ``-2.0 * energy`` flips and scales.

    An `Interaction` that gives a number may take the place of the kernel: ``E = ½ Σ aᵢ aⱼ law(δ, i, j)`` over i ≠ j.
    It may read ``i.weight`` and the features that come with the call, ``energy.velocity(x, features={"charge": q})``.

    Args:
        kernel: the kernel k, or an `Interaction`.
        boundary: the domain; None for open space.
        backend: how pairs are summed, a name or an instance.
        tolerance: the error that the sums may have; None for exact ones, which those of an `Interaction` are always.
        symmetric: whether velocities may rely on ``law(δ, i, j) = law(−δ, j, i)``, which the first call checks on some
            pairs; a kernel knows it by itself. With False the velocity is derived from the energy, at twice the cost.

    Raises:
        ArgumentError: if the kernel is neither a `Kernel` nor an `Interaction`; when called, if a law is not symmetric.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> energy = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> energy.velocity(torch.tensor([[0.0], [1.0]]))  # the two repel each other
        tensor([[-0.3033],
                [ 0.3033]])

        >>> from interflow import Interaction
        >>> class Charges(Interaction):
        ...     def pair(self, displacement, i, j):
        ...         return i.charge * j.charge * (-displacement.square().sum()).exp()
        >>> energy = InteractionEnergy(Charges())
        >>> energy.velocity(torch.tensor([[0.0], [1.0]]), features={"charge": torch.tensor([1.0, -1.0])})
        tensor([[ 0.3679],
                [-0.3679]])
    """

    kernel: Any  # a Kernel, or where there is a `_law` its Interaction

    def __init__(
        self,
        kernel: Kernel | Interaction,
        *,
        boundary: Boundary | None = None,
        backend: str | Backend = "auto",
        tolerance: float | None = None,
        symmetric: bool = True,
    ) -> None:
        if not isinstance(kernel, Kernel | Interaction):
            raise ArgumentError("kernel", came=f"a {type(kernel).__name__}", wanted="a Kernel or an Interaction")
        super().__init__(OpenBoundary() if boundary is None else boundary)
        self.kernel = kernel
        self.backend = backend
        self.tolerance = tolerance
        self.symmetric = symmetric
        self._law: LawSum | None = None
        self._self_pairs: sums.SelfPairs = True
        if isinstance(kernel, Interaction):
            self._law = LawSum(kernel, self.boundary, sums.for_repeated_calls(backend), needs_check=symmetric)
            self.reads_features = True
        elif kernel.at_zero() is None:
            self._self_pairs = "images"

    def forward(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        self.check(positions, weights)
        if self._law is not None:
            return self._law.value(positions, weights, features)
        return 0.5 * sums.quadratic(self.kernel, positions, weights, **self._options)

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
    ) -> tuple[Tensor, Tensor]:
        if not self._is_symmetric:
            return super().value_and_velocity(positions, weights, features)
        self.check(positions, weights)
        if self._law is not None:
            return self._law.value_and_velocity(positions, weights, features)
        potential, field = sums.potential_and_field(self.kernel, positions, positions, weights, **self._options)
        return 0.5 * weighted_sum(potential, weights), zero_where_weightless(-field, weights)

    def velocity(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        if self._law is not None or not self._is_symmetric:
            return super().velocity(positions, weights, features)
        self.check(positions, weights)
        field = sums.field(self.kernel, positions, positions, weights, **self._options)
        return zero_where_weightless(-field, weights)

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, sums.Explanation]]:
        if self._law is not None:
            return []
        said = sums.explain(self.kernel, positions, positions, weights, **self._options)
        return [(self.describe(), said)]

    @property
    def _is_symmetric(self) -> bool:
        return self.symmetric and (self._law is not None or self.kernel.symmetric)

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "boundary": self.boundary,
            "self_pairs": self._self_pairs,
            "backend": sums.for_repeated_calls(self.backend),
            "tolerance": self.tolerance,
        }

    def kernels(self) -> list[Kernel]:
        return [] if self._law is not None else [self.kernel]

    def describe(self) -> str:
        return f"InteractionEnergy({type(self.kernel).__name__})"
