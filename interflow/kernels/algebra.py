"""Sums and multiples of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel
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

    def __repr__(self) -> str:
        return f"{self.scale.item():.6} * {self.kernel!r}"


def _check_kernel(argument: str, kernel: object) -> None:
    if not isinstance(kernel, Kernel):
        raise ArgumentError(argument, came=type(kernel).__name__, wanted="a Kernel, such as GaussianKernel(0.1)")
