"""Where a domain ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Extent:
    """The corners of a domain, and the axes along which it closes up: what is left of a boundary in a file or a view.

    Args:
        lower: the lower corner, ``(d,)`` in float64; −∞ on an axis without end.
        upper: the upper corner, likewise.
        periodic: ``(d,)``, bool: whether ``upper`` is ``lower`` again.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> circle = PeriodicBoundary(1.0).extent(1)
        >>> circle.shortest(torch.tensor([[0.9]]), torch.tensor([[0.1]]))
        tensor([[-0.2000]])
    """

    lower: Tensor
    upper: Tensor
    periodic: Tensor

    def shortest(self, x: Tensor, y: Tensor) -> Tensor:
        """The shortest way from ``y`` to ``x``, both ``(..., d)``: on a periodic axis to the nearest image."""
        difference = x - y
        lengths = torch.where(self.periodic, self.upper - self.lower, 1.0).to(difference)
        turns = torch.where(self.periodic.to(difference.device), (difference / lengths).round(), 0.0)
        return difference - lengths * turns

    def inside(self, x: Tensor) -> Tensor:
        """``x`` with whole periods taken off, so that it lies between the corners; ``(..., d)``."""
        lengths = torch.where(self.periodic, self.upper - self.lower, 1.0).to(x)
        lower = torch.where(self.periodic, self.lower, 0.0).to(x)
        turns = torch.where(self.periodic.to(x.device), ((x - lower) / lengths).floor(), 0.0)
        return x - lengths * turns
