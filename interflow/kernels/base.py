"""What a kernel is: a function of the displacement, written once and traced by every backend."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from interflow.boundaries import Boundary, OpenBoundary
from interflow.boundaries.base import check_points
from interflow.errors import ArgumentError
from interflow.kernels.images import PRECISION, ImageSum, ScaledSum, TermwiseSum, lattice_sum
from interflow.parameters import LinearSpace, Parametrised, finite


class Kernel(Parametrised, LinearSpace, ABC):
    """A kernel k(x, y) of the displacement δ(x, y). A subclass writes `pair`; radial ones derive from `RadialKernel`,
    those of the positions from `InnerProductKernel`.

    Attributes:
        cutoff: distance from which the kernel is 0, applied by the engine; None for no cutoff. A subclass that has one
            assigns a `PositiveParameter` to it, or makes it a property that reads another one.
        symmetric: whether ``k(δ) = k(−δ)``.
        definite: whether ``Σ cᵢcⱼ k(xᵢ, xⱼ) ≥ 0`` in open space of every dimension for all real ``c`` of sum 0; None
            where it is not known, or depends on the parameters or the dimension. An MMD needs it.
        positive_definite: whether that is known to hold for all real ``c``, not only for those of sum 0. Products of
            such kernels are such kernels.

    Example:
        >>> class Ellipse(Kernel):
        ...     symmetric = True
        ...
        ...     def pair(self, displacement):
        ...         across, along = displacement
        ...         return (-across.square() - 4.0 * along.square()).exp()
        >>> Ellipse()(torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
        tensor([[0.3679, 0.3679]])
    """

    cutoff: Tensor | None
    symmetric: bool = False
    definite: bool | None = None
    positive_definite: bool = False

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

    def between(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], displacement: tuple[Tensor, ...]) -> Tensor:
        """k(x, y) of the components of two points and of δ(x, y); `evaluate`, but for a kernel of the positions."""
        return self.evaluate(displacement)

    def of_points(self, boundary: Boundary, x: Tensor, y: Tensor) -> Tensor:
        """k(x, y) on a domain, of points ``(…, d)`` that broadcast."""
        x, y = boundary.fold(x), boundary.fold(y)
        displacement = boundary.displacement(x, y).unbind(-1)
        periods = boundary.image_periods(len(displacement))
        if periods is None:
            return self.between(x.unbind(-1), y.unbind(-1), displacement)
        return self.periodised(displacement, periods)

    def cutoffs(self) -> list[Tensor]:
        """The cutoffs of the kernel and of the kernels it is made of, as far as they bound what it sees."""
        parts = [part.cutoff for part in self.modules() if isinstance(part, Kernel)]
        return [cutoff for cutoff in parts if cutoff is not None]

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        """k(0) as a 0-d float64 tensor, or None for a kernel that is singular there.

        Args:
            dimension: number of components of the displacement, for kernels that look at them one by one.
            boundary: the domain, of which images may count; None for open space.
        """
        zeros = (torch.zeros((), dtype=torch.float64),) * dimension
        value = self.evaluate_on(OpenBoundary() if boundary is None else boundary, zeros)
        return value if bool(value.isfinite()) else None

    def check_domain(self, boundary: Boundary, dimension: int) -> None:
        """Raise `ArgumentError` for a domain, or a number of coordinates, that the kernel is not made for."""
        for part in self.modules():
            if isinstance(part, Kernel) and part is not self:
                part.check_domain(boundary, dimension)

    def coefficients(self, frequencies: Sequence[Tensor], lengths: Tensor) -> Tensor | None:
        """The Fourier coefficients cₖ of the kernel summed over all images on a torus; by default they are not known.

        ``Σₙ k(δ + nL) = Σₖ cₖ exp(i ωₖ·δ)`` with ``ωₖ = 2πk/L`` and ``cₖ = Π Lₐ⁻¹ ∫ k(δ) exp(−i ωₖ·δ) dδ``. They are
        differentiable in the kernel's parameters and the lengths.

        Args:
            frequencies: the components of ωₖ, float64 tensors that broadcast.
            lengths: the periods L, float64, ``(d,)``.

        Returns:
            cₖ in the shape to which they broadcast; None where the transform is not known.
        """
        return None

    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        """A bound of ``Σ |ωₖ|ᵐ |cₖ|`` over the modes with ``|ωₖ|_∞`` above a frequency; ∞ where none is known.

        It bounds what a Fourier sum leaves out, for all displacements: of the potential for the order m = 0, of the
        field for m = 1, of derivatives of the potential of any order.
        """
        return math.inf

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        """A bound of ``Σ |∇ᵐ k(δ + nL)|``, m ≤ 2, over the images with ``|n|_∞ > shells``; ∞ where none is known.

        It holds for all δ with ``|δₐ| ≤ Lₐ/2``, and is 0 once no image is inside the cutoff. A length is infinite on an
        axis that is not periodic.
        """
        if self.cutoff is None:
            return math.inf
        return 0.0 if (shells + 0.5) * min(lengths) >= self.cutoff.detach().item() else math.inf

    def supremum(self, order: int, dimension: int) -> float | None:
        """``sup |k|`` for the order 0, ``sup |∇k|`` for 1, or a lower bound; None where it is infinite or not known."""
        return None

    def images(self, lengths: tuple[float, ...], precision: float) -> ImageSum[Any]:
        """How the sum over all images is written: by default as a lattice sum, with shells by `image_tail`.

        Args:
            lengths: the periods of the axes; infinite on one that has no images.
            precision: what may be left out, relative to ``sup |k|`` and ``sup |∇k|``.

        Raises:
            ArgumentError: for a sum that does not converge, is not known to, or has too many images.
        """
        return lattice_sum(self, lengths, precision)

    def periodised(self, displacement: tuple[Tensor, ...], periods: Tensor) -> Tensor:
        """``Σₙ k(δ + nL)`` over all images, to the precision of the displacement's dtype.

        Args:
            displacement: the components of δ to the nearest image.
            periods: the periods L, ``(d,)``; infinite on an axis that has no images.

        Raises:
            ArgumentError: for a kernel whose sum over images does not converge.
        """
        lengths = tuple(periods.detach().tolist())
        images = self.images(lengths, PRECISION[displacement[0].dtype])
        return images.evaluate(self, displacement, periods.unbind())

    def evaluate_on(self, boundary: Boundary, displacement: tuple[Tensor, ...]) -> Tensor:
        """k on a domain: `evaluate` at the nearest image, or `periodised` where the domain counts all of them."""
        periods = boundary.image_periods(len(displacement))
        return self.evaluate(displacement) if periods is None else self.periodised(displacement, periods)

    def forward(self, x: Tensor, y: Tensor, boundary: Boundary | None = None) -> Tensor:
        """The ``(N, M)`` matrix ``k(xᵢ, yⱼ)``, for those who want to look; no pair sum allocates it."""
        boundary = OpenBoundary() if boundary is None else boundary
        check_points(boundary, x, y)
        self.check_domain(boundary, x.shape[-1])
        return self.of_points(boundary, x[:, None], y)

    @final
    def _plus(self, other: Any) -> SumKernel:
        return SumKernel([self, other]) if isinstance(other, Kernel) else NotImplemented

    @final
    def _times(self, factor: float) -> ScaledKernel:
        return ScaledKernel(factor, self)

    @final
    def __mul__(self, factor: Any) -> Any:
        return ProductKernel([self, factor]) if isinstance(factor, Kernel) else super().__mul__(factor)


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

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.profile(squared_norm(displacement))


def squared_norm(displacement: tuple[Tensor, ...]) -> Tensor:
    """``r² = δ₁² + … + δ_d²`` of the components of a displacement."""
    total = displacement[0].square()
    for component in displacement[1:]:
        total = total + component.square()
    return total


_RADII = torch.logspace(-6, 6, 2401, dtype=torch.float64)
"""Distances that are tried, 1 % apart; at 0 a gradient is 0 or has no value."""


def sampled_supremum(kernel: Kernel, order: int, dimension: int) -> float:
    """A lower bound of ``sup |k|`` for the order 0, of ``sup |∇k|`` for 1, from displacements along the first axis.

    Example:
        >>> from interflow import GaussianKernel
        >>> round(sampled_supremum(GaussianKernel(sigma=0.1), order=1, dimension=2), 3)  # exp(−½)/σ
        6.065
    """
    components = (_RADII.clone(), *(torch.zeros_like(_RADII) for _ in range(dimension - 1)))
    if order == 0:
        with torch.no_grad():
            at_zero = kernel.at_zero(dimension)
            sampled = kernel.evaluate(components).abs().max().item()
        return sampled if at_zero is None else max(sampled, at_zero.abs().item())
    with torch.enable_grad():
        value = kernel.evaluate((components[0].requires_grad_(), *components[1:]))
        (slope,) = torch.autograd.grad(value.sum(), components[0])
    return slope.abs().max().item()


class SumKernel(Kernel):
    """``k = k₁ + k₂ + …``; written ``a + b``.

    Args:
        terms: the kernels, at least one. A term that is itself a sum is taken apart.

    Example:
        >>> from interflow import DistanceKernel, GaussianKernel
        >>> GaussianKernel(sigma=0.1) + 0.5 * DistanceKernel()
        (GaussianKernel(sigma=0.1) + 0.5 * DistanceKernel(exponent=1.0))
    """

    terms: Sequence[Kernel]

    def __init__(self, terms: Sequence[Kernel]) -> None:
        super().__init__()
        _check_kernels("terms", terms)
        flat = [part for term in terms for part in (term.terms if isinstance(term, SumKernel) else [term])]
        self.terms = cast(Sequence[Kernel], nn.ModuleList(flat))
        self.symmetric = all(term.symmetric for term in flat)

    @property
    def definite(self) -> bool | None:  # type: ignore[override]  # follows from the terms, which may be rescaled
        return True if all(term.definite for term in self.terms) else None

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return all(term.positive_definite for term in self.terms)

    def cutoffs(self) -> list[Tensor]:
        return [cutoff for term in self.terms for cutoff in term.cutoffs()]

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return reduce(operator.add, (term.evaluate(displacement) for term in self.terms))

    def between(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], displacement: tuple[Tensor, ...]) -> Tensor:
        return reduce(operator.add, (term.between(x, y, displacement) for term in self.terms))

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        parts = [term.at_zero(dimension, boundary) for term in self.terms]
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum(0) if len(known) == len(parts) else None

    def coefficients(self, frequencies: Sequence[Tensor], lengths: Tensor) -> Tensor | None:
        parts = [term.coefficients(frequencies, lengths) for term in self.terms]
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum(0) if len(known) == len(parts) else None

    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        return sum(term.tail(frequency, lengths, order) for term in self.terms)

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        return sum(term.image_tail(lengths, shells, order) for term in self.terms)

    def images(self, lengths: tuple[float, ...], precision: float) -> TermwiseSum:
        return TermwiseSum(tuple(term.images(lengths, precision) for term in self.terms))

    def supremum(self, order: int, dimension: int) -> float | None:
        known = all(term.supremum(order, dimension) is not None for term in self.terms)
        return sampled_supremum(self, order, dimension) if known else None

    def __repr__(self) -> str:
        return f"({' + '.join(map(repr, self.terms))})"


class ScaledKernel(Kernel):
    """``k = s·k₀``; written ``s * k0``.

    Args:
        scale: the factor s, any finite number.
        kernel: the kernel k₀.

    Example:
        >>> from interflow import GaussianKernel
        >>> -2.0 * GaussianKernel(sigma=0.1)
        -2.0 * GaussianKernel(sigma=0.1)
    """

    scale: Tensor

    def __init__(self, scale: float, kernel: Kernel) -> None:
        super().__init__()
        _check_kernel("kernel", kernel)
        self.register_buffer("scale", finite("scale", scale))
        self.kernel = kernel
        self.symmetric = kernel.symmetric
        del self._buffers["cutoff"]  # it follows the kernel's

    @property
    def cutoff(self) -> Tensor | None:  # type: ignore[override]
        return self.kernel.cutoff

    @property
    def definite(self) -> bool | None:  # type: ignore[override]  # follows from the factor, which may be changed
        if self.scale < 0:
            return False if self.kernel.definite else None
        return self.kernel.definite if self.scale > 0 else True

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return bool(self.scale == 0) or (bool(self.scale > 0) and self.kernel.positive_definite)

    def cutoffs(self) -> list[Tensor]:
        return self.kernel.cutoffs()

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.scale * self.kernel.evaluate(displacement)

    def evaluate(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.pair(displacement)  # the kernel has its cutoff applied

    def between(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], displacement: tuple[Tensor, ...]) -> Tensor:
        return self.scale * self.kernel.between(x, y, displacement)

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        part = self.kernel.at_zero(dimension, boundary)
        return None if part is None else self.scale * part

    def coefficients(self, frequencies: Sequence[Tensor], lengths: Tensor) -> Tensor | None:
        part = self.kernel.coefficients(frequencies, lengths)
        return None if part is None else self.scale * part

    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        return self._scaled(self.kernel.tail(frequency, lengths, order))

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        return self._scaled(self.kernel.image_tail(lengths, shells, order))

    def images(self, lengths: tuple[float, ...], precision: float) -> ScaledSum:
        return ScaledSum(self.kernel.images(lengths, precision))

    def supremum(self, order: int, dimension: int) -> float | None:
        part = self.kernel.supremum(order, dimension)
        return None if part is None else self._scaled(part)

    def _scaled(self, bound: float) -> float:
        factor = abs(self.scale.detach().item())
        return factor * bound if factor else 0.0  # 0·∞ is 0 here

    def __repr__(self) -> str:
        return f"{self.scale.item():.6} * {self.kernel!r}"


class ProductKernel(Kernel):
    """``k = k₁ · k₂ · …``; written ``a * b``. It is positive definite where all factors are (Schur, 1911).

    Args:
        factors: the kernels, at least one. A factor that is itself a product is taken apart.

    Example:
        >>> from interflow import GaussianKernel, LaplacianKernel
        >>> GaussianKernel(sigma=0.1) * LaplacianKernel(sigma=0.3)
        (GaussianKernel(sigma=0.1) * LaplacianKernel(sigma=0.3))
    """

    factors: Sequence[Kernel]

    def __init__(self, factors: Sequence[Kernel]) -> None:
        super().__init__()
        _check_kernels("factors", factors)
        flat = [part for item in factors for part in (item.factors if isinstance(item, ProductKernel) else [item])]
        self.factors = cast(Sequence[Kernel], nn.ModuleList(flat))
        self.symmetric = all(factor.symmetric for factor in flat)
        del self._buffers["cutoff"]  # it follows the factors'

    @property
    def cutoff(self) -> Tensor | None:  # type: ignore[override]
        """The smallest of the factors': where one of them is 0, the product is."""
        cutoffs = [factor.cutoff for factor in self.factors if factor.cutoff is not None]
        return reduce(torch.minimum, cutoffs) if cutoffs else None

    @property
    def definite(self) -> bool | None:  # type: ignore[override]
        if len(self.factors) == 1:
            return self.factors[0].definite
        return True if self.positive_definite else None

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return all(factor.positive_definite for factor in self.factors)

    def cutoffs(self) -> list[Tensor]:
        return [self.cutoff] if self.cutoff is not None else super().cutoffs()

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return reduce(operator.mul, (factor.evaluate(displacement) for factor in self.factors))

    def between(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], displacement: tuple[Tensor, ...]) -> Tensor:
        return reduce(operator.mul, (factor.between(x, y, displacement) for factor in self.factors))

    def evaluate(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.pair(displacement)  # each factor has its own cutoff applied

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        if boundary is not None and boundary.image_periods(dimension) is not None:
            return super().at_zero(dimension, boundary)  # the sum of products is not the product of sums
        parts = [factor.at_zero(dimension) for factor in self.factors]
        known = [part for part in parts if part is not None]
        return torch.stack(known).prod(0) if len(known) == len(parts) else None

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        """By Leibniz's rule and ``Σ|u||v| ≤ Σ|u| Σ|v|``."""
        tails = [[factor.image_tail(lengths, shells, m) for m in range(order + 1)] for factor in self.factors]
        return reduce(_leibniz, tails)[order]

    def supremum(self, order: int, dimension: int) -> float | None:
        known = all(factor.supremum(m, dimension) is not None for factor in self.factors for m in range(order + 1))
        return sampled_supremum(self, order, dimension) if known else None

    def __repr__(self) -> str:
        return f"({' * '.join(map(repr, self.factors))})"


def _leibniz(first: list[float], second: list[float]) -> list[float]:
    """Bounds of the derivatives of a product, by order, from those of its factors; 0·∞ is 0 here."""

    def term(m: int, j: int) -> float:
        a, b = first[j], second[m - j]
        return math.comb(m, j) * a * b if a and b else 0.0

    return [sum(term(m, j) for j in range(m + 1)) for m in range(len(first))]


def _check_kernels(argument: str, kernels: Sequence[object]) -> None:
    if not kernels:
        raise ArgumentError(argument, came="no kernel", wanted="at least one")
    for index, kernel in enumerate(kernels):
        _check_kernel(f"{argument}[{index}]", kernel)


def _check_kernel(argument: str, kernel: object) -> None:
    if not isinstance(kernel, Kernel):
        raise ArgumentError(argument, came=type(kernel).__name__, wanted="a Kernel, such as GaussianKernel(0.1)")
