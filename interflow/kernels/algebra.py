"""Sums and multiples of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel
from interflow.kernels.images import ScaledSum, TermwiseSum
from interflow.kernels.suprema import sampled_supremum
from interflow.parameters import finite


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
        if not terms:
            raise ArgumentError("terms", came="no kernel", wanted="at least one")
        for index, term in enumerate(terms):
            _check_kernel(f"terms[{index}]", term)
        flat = [part for term in terms for part in (term.terms if isinstance(term, SumKernel) else [term])]
        self.terms = cast(Sequence[Kernel], nn.ModuleList(flat))
        self.symmetric = all(term.symmetric for term in flat)

    @property
    def definite(self) -> bool | None:  # type: ignore[override]  # follows from the terms, which may be rescaled
        return True if all(term.definite for term in self.terms) else None

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        first, *rest = self.terms
        total = first.evaluate(displacement)
        for term in rest:
            total = total + term.evaluate(displacement)
        return total

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        parts = [term.at_zero(dimension, boundary) for term in self.terms]
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum(0) if len(known) == len(parts) else None

    def coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor | None:
        parts = [term.coefficients(squared_frequencies, lengths) for term in self.terms]
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

    @property
    def definite(self) -> bool | None:  # type: ignore[override]  # follows from the factor, which may be changed
        if self.scale < 0:
            return False if self.kernel.definite else None
        return self.kernel.definite if self.scale > 0 else True

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.scale * self.kernel.evaluate(displacement)

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        part = self.kernel.at_zero(dimension, boundary)
        return None if part is None else self.scale * part

    def coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor | None:
        part = self.kernel.coefficients(squared_frequencies, lengths)
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


def _check_kernel(argument: str, kernel: object) -> None:
    if not isinstance(kernel, Kernel):
        raise ArgumentError(argument, came=type(kernel).__name__, wanted="a Kernel, such as GaussianKernel(0.1)")
