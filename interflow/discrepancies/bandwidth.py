"""The median of the distances, the usual bandwidth of a kernel that compares samples (Gretton et al., 2012)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.discrepancies.squares import squared_distances
from interflow.errors import ArgumentError
from interflow.validation import check_cloud, is_count

_AT_ONCE: Final = 1 << 24
"""Coordinates of differences at a time."""


@torch.no_grad()
def median_distance(
    points: Tensor, *, boundary: Boundary | None = None, most: int = 1000, seed: int | torch.Generator = 0
) -> float:
    """The median of the distances between different points, a bandwidth that needs no choice.

    For a loss between two clouds, take it of both together, ``torch.cat([x, y])``, or of the target alone.

    Args:
        points: ``(N, d)`` with N ≥ 2.
        boundary: the domain; None for open space.
        most: of more points than this, so many are drawn.
        seed: of the draw, a number or a generator on the CPU.

    Raises:
        ArgumentError: for fewer than two points, for points that do not fit, or where half of all distances are 0.

    Example:
        >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]))
        2.0
    """
    check_cloud(points, names=("points", "weights"))
    if not is_count(most, at_least=2):
        raise ArgumentError("most", came=repr(most), wanted="a whole number ≥ 2")
    if len(points) < 2:
        raise ArgumentError("points", came=f"{len(points)} points", wanted="at least 2")
    if len(points) > most:
        generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
        points = points[torch.randperm(len(points), generator=generator)[:most].to(points.device)]
    domain = OpenBoundary() if boundary is None else boundary
    domain.check_dimension(points.shape[-1])
    is_open = domain.straight and bool(domain.periods(points.shape[-1]).isinf().all())
    distances = squared_distances if is_open else domain.squared_distances
    squares = torch.cat(
        [
            distances(points[rows], points).double()[_later(rows, len(points), points.device)]
            for rows in torch.arange(len(points), device=points.device).split(
                max(1, _AT_ONCE // (len(points) if is_open else points.numel()))
            )
        ]
    )
    median = float(squares.sqrt().median())
    if median == 0.0:
        raise ArgumentError("points", came="half of all distances 0", wanted="points that differ")
    return median


def _later(rows: Tensor, count: int, device: torch.device) -> Tensor:
    """The pairs of a row with a later point."""
    return torch.arange(count, device=device)[None, :] > rows[:, None]
