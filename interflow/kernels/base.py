"""What a kernel is: a function of the displacement, written once and traced by every backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from interflow.algebra import LinearSpace
from interflow.boundaries import Boundary, OpenBoundary
from interflow.boundaries.base import displacement_matrix
from interflow.parameters import Parametrised

if TYPE_CHECKING:
    from interflow.kernels.algebra import ScaledKernel, SumKernel


class Kernel(Parametrised, LinearSpace, ABC):
    """A kernel k(x, y) of the displacement δ(x, y). A subclass writes `pair`; radial ones derive from `RadialKernel`.

    Attributes:
        cutoff: distance from which the kernel is 0, applied by the engine; None for no cutoff. A subclass that has one
            assigns a `PositiveParameter` to it, or makes it a property that reads another one.
        symmetric: whether ``k(δ) = k(−δ)``.
        definite: whether ``Σ cᵢcⱼ k(xᵢ, xⱼ) ≥ 0`` in open space of every dimension for all real ``c`` of sum 0; None
            where it is not known, or depends on the parameters or the dimension. An MMD needs it.
    """

    cutoff: Tensor | None
    symmetric: bool = False
    definite: bool | None = None

    def __init__(self) -> None:
        super().__init__()
        self._buffers["cutoff"] = None  # not on the class, where it would hide a parameter of this name

    @abstractmethod
    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        """k as a function of the components of δ, elementwise, in method-call syntax."""

    def evaluate(self, displacement: tuple[Tensor, ...]) -> Tensor:
        """`pair` with the cutoff applied; what the engine sums."""
        value = self.pair(displacement)
        if self.cutoff is None:
            return value
        return torch.where(squared_norm(displacement) < self.cutoff.square(), value, 0.0)

    def at_zero(self, dimension: int = 1) -> Tensor | None:
        """k(0) as a 0-d float64 tensor, or None for a kernel that is singular there.

        Args:
            dimension: number of components of the displacement, for kernels that look at them one by one.
        """
        value = self.evaluate((torch.zeros((), dtype=torch.float64),) * dimension)
        return value if bool(value.isfinite()) else None

    def forward(self, x: Tensor, y: Tensor, boundary: Boundary | None = None) -> Tensor:
        """The ``(N, M)`` matrix ``k(xᵢ, yⱼ)``, for those who want to look; no pair sum allocates it."""
        return self.evaluate(displacement_matrix(OpenBoundary() if boundary is None else boundary, x, y))

    @final
    def _plus(self, other: Any) -> SumKernel:
        from interflow.kernels.algebra import SumKernel

        return SumKernel([self, other]) if isinstance(other, Kernel) else NotImplemented

    @final
    def _times(self, factor: float) -> ScaledKernel:
        from interflow.kernels.algebra import ScaledKernel

        return ScaledKernel(factor, self)


class RadialKernel(Kernel):
    """A kernel ``k(x, y) = φ(r²)`` of the squared distance ``r² = |δ(x, y)|²``. A subclass writes `profile`.

    Example:
        >>> from interflow import PositiveParameter
        >>> class Ring(RadialKernel):
        ...     def __init__(self, radius: float) -> None:
        ...         super().__init__()
        ...         self.radius = PositiveParameter(radius)
        ...     def profile(self, squared_distance):
        ...         return (squared_distance.sqrt() - self.radius).square()
        >>> Ring(1.0)(torch.tensor([[0.0]]), torch.tensor([[3.0]])).item()
        4.0
    """

    symmetric = True

    @abstractmethod
    def profile(self, squared_distance: Tensor) -> Tensor:
        """φ as a function of r², elementwise, in method-call syntax: ``(r2 / self.scale).exp()``.

        The operations that tensors, the compiler and KeOps share are ``abs exp log sqrt rsqrt square sin cos atan
        relu clamp sign round`` and arithmetic with ``**``.
        """

    @final
    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.profile(squared_norm(displacement))


def squared_norm(displacement: tuple[Tensor, ...]) -> Tensor:
    """``r² = δ₁² + … + δ_d²`` of the components of a displacement."""
    total = displacement[0].square()
    for component in displacement[1:]:
        total = total + component.square()
    return total
