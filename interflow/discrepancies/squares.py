"""Squared distances of points with many coordinates, by a matrix product."""

from __future__ import annotations

from typing import Final

from torch import Tensor

_NEAR: Final = 1e-4
"""Squared distances under this part of the squared norms are summed from differences: a product loses digits there."""

_AT_ONCE: Final = 1 << 22
"""Coordinates of differences at a time."""


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """``|xᵢ − yⱼ|²`` in float64, ``(N, M)``, right to round-off also where points nearly coincide or lie far away.

    Example:
        >>> import torch
        >>> squared_distances(torch.zeros(1, 3), torch.ones(1, 3)).item()
        3.0
    """
    x, y = x.double(), y.double()
    a, b = x - y.mean(0), y - y.mean(0)
    sizes = a.square().sum(1)[:, None] + b.square().sum(1)
    squares = sizes - 2.0 * a @ b.mT
    rows, columns = (~(squares > _NEAR * sizes)).nonzero(as_tuple=True)
    for i, j in zip(*(places.split(max(1, _AT_ONCE // x.shape[1])) for places in (rows, columns)), strict=True):
        squares[i, j] = (x[i] - y[j]).square().sum(1)
    return squares
