"""The box with reflecting walls."""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.boundaries.base import Boundary, Extent, check_same_axes, corner, on_axes
from interflow.errors import ArgumentError


class ReflectingBoundary(Boundary):
    """The billiard box ``Π [lowerₐ, upperₐ]``: ``δ(x, y) = x − y``, and walls are mirrors.

    A point that left comes back by mirror images, however far it went: along an axis of length L the mirrored point is
    ``upper − |((x − lower) mod 2L) − L|``. A component of the velocity that met its walls an odd number of times is
    turned round.

    Args:
        lower: the lower corner, one number for all axes or one for each, in units of the positions.
        upper: the upper corner, likewise; above the lower one on every axis.

    Raises:
        ArgumentError: unless the corners are finite, of as many axes, and the upper one above the lower one.

    Example:
        >>> box = ReflectingBoundary(0.0, 1.0)
        >>> box.reflect(torch.tensor([1.25, -2.25]), torch.tensor([3.0, -4.0]))
        (tensor([0.7500, 0.2500]), tensor([-3.,  4.]))
    """

    straight = True
    lower: Tensor
    upper: Tensor

    def __init__(self, lower: float | Tensor, upper: float | Tensor) -> None:
        super().__init__()
        self.register_buffer("lower", corner("lower", lower))
        self.register_buffer("upper", corner("upper", upper))
        check_same_axes("upper", self.upper, "lower", self.lower)
        if not bool((self.upper > self.lower).all()):
            raise ArgumentError("upper", came=upper, wanted=f"more than `lower`, which is {lower}, on every axis")

    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y

    def wrap(self, x: Tensor) -> Tensor:
        inside, phase, length = self._unfolded(x)
        lower, upper = self.lower.to(x.dtype), self.upper.to(x.dtype)
        mirrored = (upper - (phase - length).abs()).clamp(lower, upper)
        return torch.where(inside, x, mirrored)

    def reflect(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        inside, phase, length = self._unfolded(x)
        return self.wrap(x), torch.where(inside | (phase < length), v, -v)

    def extent(self, dimension: int) -> Extent:
        lower, upper = (on_axes(corner, dimension) for corner in (self.lower, self.upper))
        return Extent(lower, upper, torch.zeros(dimension, dtype=torch.bool))

    def _unfolded(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whether x is inside, ``(x − lower) mod 2L``, which is below L after an even number of bounces, and L."""
        lower, upper = self.lower.to(x.dtype), self.upper.to(x.dtype)
        length = upper - lower
        return (lower <= x) & (x <= upper), torch.remainder(x - lower, 2.0 * length), length
