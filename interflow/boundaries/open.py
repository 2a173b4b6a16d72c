"""The whole space."""

from __future__ import annotations

from torch import Tensor

from interflow.boundaries.base import Boundary, check_points


class OpenBoundary(Boundary):
    """ℝᵈ: ``δ(x, y) = x − y``, and no point ever leaves.

    Example:
        >>> import torch
        >>> OpenBoundary().displacement(torch.tensor([0.9]), torch.tensor([0.1]))
        tensor([0.8000])
    """

    straight = True

    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y

    def wrap(self, x: Tensor) -> Tensor:
        return x

    def _expanded_squared_distances(self, x: Tensor, y: Tensor) -> Tensor:
        check_points(self, x, y)
        centre = y.mean(0)  # distances do not change, and far fewer digits cancel
        x, y = x - centre, y - centre
        squares = x.square().sum(-1)[:, None] + y.square().sum(-1)[None, :]
        return (squares - 2.0 * x @ y.T).clamp(min=0.0)
