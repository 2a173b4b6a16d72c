"""Sums and multiples of kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel
from interflow.parameters import finite


class SumKernel(Kernel):
    """``k = k₁ + k₂ + …``; written ``a + b``.

    Args:
        terms: the kernels, at least one. A term that is itself a sum is taken apart.
    """

    def __init__(self, terms: Sequence[Kernel]) -> None:
        super().__init__()
        if not terms:
            raise ArgumentError("terms", came="no kernel", wanted="at least one")
        flat = [part for term in terms for part in (term.terms if isinstance(term, SumKernel) else [term])]
        self.terms = nn.ModuleList(flat)
        self.symmetric = all(term.symmetric for term in flat)
        known = {term.definite for term in flat}
        self.definite = True if known == {True} else None

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        first, *rest = self.terms
        total = first.evaluate(displacement)
        for term in rest:
            total = total + term.evaluate(displacement)
        return total


class ScaledKernel(Kernel):
    """``k = s·k₀``; written ``s * k0``.

    Args:
        scale: the factor s, any finite number.
        kernel: the kernel k₀.
    """

    scale: Tensor

    def __init__(self, scale: float, kernel: Kernel) -> None:
        super().__init__()
        self.register_buffer("scale", finite("scale", scale))
        self.kernel = kernel
        self.symmetric = kernel.symmetric
        self.definite = kernel.definite if scale > 0 else (None if scale else True)

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        return self.scale * self.kernel.evaluate(displacement)
