"""The kernel of attraction and repulsion by powers of the distance."""

from __future__ import annotations

import math

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import fixed_exponent, power


class PowerLawKernel(RadialKernel):
    """``k(x, y) = rᵃ/a − rᵇ/b`` with a > b, where ``r⁰/0`` stands for ``log r`` (Kolokolnikov, Sun, Uminsky and
    Bertozzi, 2011).

    When its energy is descended, two particles repel where r < 1 and attract where r > 1, in any units: clouds gather
    to rings, balls and shells, by the exponents (Balagué, Carrillo, Laurent and Raoul, 2013). Where b ≤ 0 it is
    singular at r = 0; where b > 0 it is not positive definite, since it is above its value at 0 far away.

    Args:
        attraction: the exponent a. It is fixed.
        repulsion: the exponent b < a. It is fixed.

    Raises:
        ArgumentError: unless both are finite numbers and ``a > b``.

    Example:
        >>> import torch
        >>> PowerLawKernel(attraction=4.0, repulsion=2.0)(torch.zeros(1, 1), torch.tensor([[1.0], [2.0]]))
        tensor([[-0.2500,  2.0000]])
    """

    def __init__(self, attraction: float, repulsion: float) -> None:
        super().__init__()
        self.attraction = fixed_exponent(attraction, "a finite number", math.isfinite, name="attraction")
        self.repulsion = fixed_exponent(repulsion, "a finite number", math.isfinite, name="repulsion")
        if self.repulsion >= self.attraction:
            wanted = f"a number below the exponent {attraction} of the attraction"
            remedy = "Its negative, -1.0 * PowerLawKernel(...), repels far away and attracts nearby."
            raise ArgumentError("repulsion", came=repulsion, wanted=wanted, remedy=remedy)
        self.definite = False if self.repulsion > 0 else None

    def profile(self, squared_distance: Tensor) -> Tensor:
        return _term(squared_distance, self.attraction) - _term(squared_distance, self.repulsion)


def _term(squared_distance: Tensor, exponent: float) -> Tensor:
    """``rᵉ/e``, or ``log r`` for e = 0."""
    if exponent == 0.0:
        return 0.5 * squared_distance.log()
    return (1.0 / exponent) * power(squared_distance, 0.5 * exponent)
