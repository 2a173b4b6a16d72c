"""Kernels of the line whose sums over all pairs follow from one pass over sorted points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, NamedTuple

from torch import Tensor

from interflow.kernels import (
    DistanceKernel,
    Kernel,
    LaplacianKernel,
    MaternKernel,
    MorseKernel,
    ScaledKernel,
    SumKernel,
)


@dataclass(frozen=True)
class Profile:
    """``f(δ) = sᵉ P(t)`` or ``sᵉ P(t) e⁻ᵗ`` with ``t = λ|δ|`` and ``s = sign(δ)``; its derivatives have the same form.

    Attributes:
        coefficients: of the polynomial P, from the constant on; none for ``f = 0``.
        decaying: whether the factor ``e⁻ᵗ`` is there.
        odd: e, 1 for an odd function of δ and 0 for an even one.

    At δ = 0 an even function is ``P(0)`` and an odd one 0: derivatives there are those of the even part of a kernel.

    Example:
        >>> Profile((1.0, 1.0), decaying=True).derivative()  # of (1 + t) e⁻ᵗ
        Profile(coefficients=(0.0, -1.0), decaying=True, odd=True)
    """

    coefficients: tuple[float, ...]
    decaying: bool
    odd: bool = False

    @property
    def degree(self) -> int:
        """Of P; −1 for ``f = 0``."""
        return len(self.coefficients) - 1

    @property
    def parity(self) -> float:
        """``f(−δ) / f(δ)``."""
        return -1.0 if self.odd else 1.0

    def derivative(self) -> Profile:
        """``f'(δ) / λ``, which is ``sᵉ⁺¹ (P' − P) e⁻ᵗ``, or ``sᵉ⁺¹ P'`` without the decay."""
        return replace(self, coefficients=self._slope(), odd=not self.odd)

    def by_rate(self) -> Profile:
        """``λ ∂f/∂λ = sᵉ t (P' − P) e⁻ᵗ``, or ``sᵉ t P'``."""
        slope = self._slope()
        return replace(self, coefficients=(0.0, *slope) if slope else ())

    def _slope(self) -> tuple[float, ...]:
        slope = tuple(power * value for power, value in enumerate(self.coefficients))[1:]
        if not self.decaying:
            return slope
        return tuple(a - b for a, b in zip_longest(slope, self.coefficients, fillvalue=0.0))


DISTANCE: Final = Profile((0.0, 1.0), decaying=False)
"""``t``."""


class Term(NamedTuple):
    """One summand ``scale · f(δ)`` of a kernel; ``rate`` is the λ of its profile, None for λ = 1."""

    scale: Tensor | float
    rate: Tensor | None
    profile: Profile


def terms_of(kernel: Kernel) -> list[Term] | None:
    """A kernel of one-dimensional displacements as a sum of terms; None for a kernel that is none.

    Example:
        >>> [term.profile.coefficients for term in terms_of(LaplacianKernel(0.1) + MaternKernel(0.1, nu=1.5))]
        [(1.0,), (1.0, 1.0)]
    """
    write = _TERMS.get(type(kernel))
    return None if write is None or kernel.cutoff is not None else write(kernel)


def _decaying(scale: Tensor | float, rate: Tensor, *coefficients: float) -> Term:
    return Term(scale, rate, Profile(coefficients, decaying=True))


def _of_distance(kernel: DistanceKernel) -> list[Term] | None:
    return [Term(-1.0, None, DISTANCE)] if kernel.exponent == 1.0 else None


def _of_laplacian(kernel: LaplacianKernel) -> list[Term] | None:
    return None if kernel.sigma.ndim else [_decaying(1.0, kernel.sigma.reciprocal(), 1.0)]


def _of_matern(kernel: MaternKernel) -> list[Term] | None:
    if kernel.sigma.ndim:
        return None  # of one length an axis
    polynomial = {0.5: (1.0,), 1.5: (1.0, 1.0), 2.5: (1.0, 1.0, 1.0 / 3.0)}[kernel.nu]
    return [_decaying(1.0, (2.0 * kernel.nu) ** 0.5 / kernel.sigma, *polynomial)]


def _of_morse(kernel: MorseKernel) -> list[Term]:
    return [
        _decaying(kernel.repulsion, kernel.repulsion_length.reciprocal(), 1.0),
        _decaying(-kernel.attraction, kernel.attraction_length.reciprocal(), 1.0),
    ]


def _of_sum(kernel: SumKernel) -> list[Term] | None:
    parts = [terms_of(term) for term in kernel.terms]
    return None if None in parts else [term for part in parts if part is not None for term in part]


def _of_scaled(kernel: ScaledKernel) -> list[Term] | None:
    terms = terms_of(kernel.kernel)
    return None if terms is None else [term._replace(scale=kernel.scale * term.scale) for term in terms]


# By the exact class: a subclass may have another profile.
_TERMS: Final[dict[type[Kernel], Callable[..., list[Term] | None]]] = {
    DistanceKernel: _of_distance,
    LaplacianKernel: _of_laplacian,
    MaternKernel: _of_matern,
    MorseKernel: _of_morse,
    SumKernel: _of_sum,
    ScaledKernel: _of_scaled,
}
