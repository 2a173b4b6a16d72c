"""Wendland's kernels of compact support."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import power
from interflow.parameters import PositiveParameter
from interflow.validation import is_count

_POLYNOMIALS: Final = {
    0: (1.0,),
    1: (1.0, 4.0),
    2: (1.0, 6.0, 35.0 / 3.0),
    3: (1.0, 8.0, 25.0, 32.0),
}
"""The coefficients of pₖ by their powers of t, for each smoothness k."""


class WendlandKernel(RadialKernel):
    """``k(x, y) = (1 − t)^(2k+2) pₖ(t)`` with ``t = r/R``, from R on 0: C^2k, and positive definite for d ≤ 3.

    These are the polynomials φ₃,ₖ of the least degree (Wendland, 1995): ``p₀ = 1``, ``p₁ = 1 + 4t``,
    ``p₂ = 1 + 6t + 35t²/3`` and ``p₃ = 1 + 8t + 25t² + 32t³``. Their energies repel when they are descended, over
    distances up to R; in more than three dimensions they need not be positive definite.

    Args:
        radius: the radius R of the support, in units of the positions; it is the cutoff too.
        smoothness: k, one of 0, 1, 2 and 3. It is fixed.
        learnable: make R an ``nn.Parameter``.

    Raises:
        ArgumentError: unless R is a positive number and k one of the four.

    Example:
        >>> import torch
        >>> WendlandKernel(radius=2.0)(torch.zeros(1, 1), torch.tensor([[1.0], [3.0]]))
        tensor([[0.1875, 0.0000]])
    """

    def __init__(self, radius: float, smoothness: int = 1, *, learnable: bool = False) -> None:
        super().__init__()
        if not is_count(smoothness, at_least=0) or smoothness not in _POLYNOMIALS:
            raise ArgumentError("smoothness", came=repr(smoothness), wanted="0, 1, 2 or 3")
        self.radius = PositiveParameter(radius, learnable=learnable)
        self.smoothness = smoothness

    @property
    def cutoff(self) -> Tensor:  # type: ignore[override]  # no parameter of its own
        return self.radius

    def profile(self, squared_distance: Tensor) -> Tensor:
        t = squared_distance.sqrt() * (1.0 / self.radius)
        inside = power(1.0 - t, 2.0 * self.smoothness + 2.0)
        *lower, last = _POLYNOMIALS[self.smoothness]
        polynomial: Tensor | float = last
        for coefficient in reversed(lower):
            polynomial = coefficient + t * polynomial
        return inside * polynomial
