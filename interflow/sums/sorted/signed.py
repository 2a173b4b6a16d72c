"""The difference of two measures as one of signed masses."""

from __future__ import annotations

import torch
from torch import Tensor


def difference(
    x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The points and masses of ``Σ aᵢ δ_{xᵢ} − Σ bⱼ δ_{yⱼ}``.

    Args:
        x: ``(..., N, d)``.
        y: ``(..., M, d)``.
        x_weights: a, ``(..., N)``; None for 1/N.
        y_weights: b, ``(..., M)``; None for 1/M.

    Returns:
        ``(..., N + M, d)`` and ``(..., N + M)``.

    Example:
        >>> difference(torch.zeros(2, 1), torch.ones(1, 1))[1]
        tensor([ 0.5000,  0.5000, -1.0000])
    """
    return torch.cat([x, y], -2), torch.cat([_masses(x, x_weights), -_masses(y, y_weights)], -1)


def _masses(points: Tensor, weights: Tensor | None) -> Tensor:
    return points.new_full(points.shape[:-1], 1.0 / max(points.shape[-2], 1)) if weights is None else weights
