"""The coordinates in which a fit descends: the target has its centre at 0 and a root mean square radius of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary


@final
@dataclass(frozen=True, eq=False)
class Normalisation:
    """``x ↦ (x − c) / s`` with one scale for all axes.

    Args:
        centre: c, ``(d,)``, float64.
        scale: s > 0.

    Example:
        >>> unit = Normalisation.of(torch.tensor([[1.0], [3.0]]), None, OpenBoundary())
        >>> unit.apply(torch.tensor([[1.0], [3.0]])), unit.undo(torch.tensor([[0.0]]))
        (tensor([[-1.],
                [ 1.]]), tensor([[2.]]))
    """

    centre: Tensor
    scale: float

    @classmethod
    def of(cls, target: Tensor, weights: Tensor | None, boundary: Boundary) -> Normalisation:
        """That of a target ``(M, d)`` with weights of sum 1; the identity on a domain that has a size of its own."""
        points = target.detach().double()
        if not isinstance(boundary, OpenBoundary):  # lengths of the domain are in its own units
            return cls(torch.zeros_like(points[0]), 1.0)
        shares = points.new_full((len(points),), 1.0 / len(points)) if weights is None else weights.double()
        centre = shares @ points
        square = float(shares @ (points - centre).square().sum(1))
        return cls(centre, square**0.5 if square > 0 else 1.0)

    def apply(self, points: Tensor) -> Tensor:
        """Points in the coordinates of the descent, of the same dtype; the difference is taken in float64."""
        return ((points.detach().double() - self.centre) / self.scale).to(points.dtype)

    def undo(self, points: Tensor) -> Tensor:
        """Points back in the target's own coordinates."""
        return (points.detach().double() * self.scale + self.centre).to(points.dtype)
