"""What an energy is: a scalar E of positions and weights, and the velocity of its Wasserstein gradient flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from interflow import measures
from interflow.algebra import LinearSpace
from interflow.boundaries import Boundary, OpenBoundary
from interflow.sums import Explanation
from interflow.validation import check_cloud

if TYPE_CHECKING:
    from interflow.energies.algebra import ScaledEnergy, SumEnergy
    from interflow.kernels import Kernel


class Energy(nn.Module, LinearSpace, ABC):
    """An energy E of the measure ``Σ aᵢ δ_{xᵢ}``. A subclass writes `forward`; the velocity is derived from it.

    Energies add and scale: ``e1 - 2.0 * e2``.

    Args:
        boundary: the domain; None where the energy is the same function on every domain, so that in a sum it follows
            the others, and alone it lives in open space.

    Example:
        >>> import torch
        >>> class Spread(Energy):
        ...     def forward(self, positions, weights=None):
        ...         return positions.var(0, correction=0).sum() / 2
        >>> Spread().velocity(torch.tensor([[0.0], [2.0]]))
        tensor([[ 1.],
                [-1.]])
    """

    def __init__(self, boundary: Boundary | None = None) -> None:
        super().__init__()
        self._boundary = boundary

    @property
    def boundary(self) -> Boundary:
        """The domain, fixed when the energy is made."""
        return OpenBoundary() if self._boundary is None else self._boundary

    @abstractmethod
    def forward(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        """E, a scalar.

        Args:
            positions: ``(N, d)``.
            weights: ``(N,)``; None for 1/N.
        """

    def value_and_velocity(self, positions: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """E and its velocity, in one pass.

        Returns:
            The scalar E and ``v``, ``(N, d)``, as in `velocity`.

        Raises:
            ArgumentError: if a shape, dtype or device does not fit, or E is not a differentiable scalar.
        """
        self.check(positions, weights)
        return measures.value_and_velocity(lambda x: self(x, weights), positions, weights)

    def velocity(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        """``vᵢ = −(1/aᵢ) ∂E/∂xᵢ``, zero where ``aᵢ = 0``.

        It can be differentiated wherever E can; under ``torch.no_grad()`` it keeps no graph.

        Args:
            positions: ``(N, d)``.
            weights: ``(N,)``; None for 1/N.

        Returns:
            ``(N, d)``.
        """
        return self.value_and_velocity(positions, weights)[1]

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, Explanation]]:
        """Which backends its sums take and why, each with the name of the term that sums; none for other energies."""
        return []

    def terms(self) -> list[tuple[str, Energy]]:
        """The energies that this one adds up, each with a name to call it by; scales are part of them."""
        return [(self.describe(), self)]

    def kernels(self) -> list[Kernel]:
        """The kernels in its formula, a scale being part of them; none for energies of another kind."""
        return []

    def describe(self) -> str:
        """A name for messages."""
        return type(self).__name__

    @final
    def check(self, positions: Tensor, weights: Tensor | None = None) -> None:
        """Raise `ArgumentError` unless the cloud is well formed and has as many coordinates as the domain."""
        check_cloud(positions, weights)
        self.boundary.check_dimension(positions.shape[-1])

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "boundary":  # a module of that name would be registered and then ignored
            raise AttributeError("the boundary of an energy is fixed when the energy is made")
        super().__setattr__(name, value)

    @final
    def _plus(self, other: Any) -> SumEnergy:
        from interflow.energies.algebra import SumEnergy

        return SumEnergy([self, other]) if isinstance(other, Energy) else NotImplemented

    @final
    def _times(self, factor: float) -> ScaledEnergy:
        from interflow.energies.algebra import ScaledEnergy

        return ScaledEnergy(factor, self)
