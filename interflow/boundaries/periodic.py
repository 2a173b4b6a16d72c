"""The torus."""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.boundaries.base import Boundary
from interflow.errors import ArgumentError
from interflow.parameters import PositiveParameter, finite


class PeriodicBoundary(Boundary):
    """The torus ``Π [lowerₐ, lowerₐ + Lₐ)`` with nearest images: ``δ = (x − y) − L·round((x − y)/L)``.

    Args:
        lengths: the periods, one number for all axes or one for each.
        lower: the lower corner, one number for all axes or one for each.

    At an exact half period the rounding is to even, an odd function, so that δ(x, y) = −δ(y, x).

    Example:
        >>> torus = PeriodicBoundary(1.0)
        >>> torus.displacement(torch.tensor([0.9]), torch.tensor([0.1]))
        tensor([-0.2000])
        >>> torus.wrap(torch.tensor([-1e-9, 1.25]))
        tensor([0.0000, 0.2500])
    """

    lower: Tensor

    def __init__(self, lengths: float | Tensor, lower: float | Tensor = 0.0) -> None:
        super().__init__()
        self.lengths = PositiveParameter(lengths)
        self.register_buffer("lower", finite("lower", lower))
        for name, value in (("lengths", self.lengths), ("lower", self.lower)):
            if value.ndim > 1:
                raise ArgumentError(name, came=f"shape {tuple(value.shape)}", wanted="a number, or one number an axis")

    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        difference = x - y
        lengths = self.lengths.to(difference.dtype)
        return difference - lengths * (difference * lengths.reciprocal()).round()

    def wrap(self, x: Tensor) -> Tensor:
        lengths, lower = self.lengths.to(x.dtype), self.lower.to(x.dtype)
        wrapped = lower + torch.remainder(x - lower, lengths)
        return torch.where(wrapped >= lower + lengths, lower, wrapped)  # rounding: remainder(-1e-9, 1) is 1 in float32

    def half_period(self) -> Tensor:
        return self.lengths.min() / 2

    def check_dimension(self, dimension: int) -> None:
        for name, value in (("lengths", self.lengths), ("lower", self.lower)):
            if value.ndim == 1 and value.numel() != dimension:
                raise ArgumentError(
                    "positions",
                    came=f"{dimension} coordinates a point",
                    wanted=f"{value.numel()}, as many as `{name}` of the boundary has",
                )
