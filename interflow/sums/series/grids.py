"""The fine grids of FINUFFT: how right they are, and what they cost.

A transform spreads each point over wᵈ cells of a grid that is s times as fine as the modes ask for. It is wrong by what
aliases in from beyond the band, about ``exp(−πw√(1 − 1/s))`` (Barnett, Magland and af Klinteberg, 2019), and by more
for modes near the edge of the band than for those in its inner half, above all on coarse grids. Kernels weigh the modes
at the edge less: an error is held against sums ``Σₖ gₖ ηₖ`` with the weights g of the modes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from interflow.sums.series.modes import Modes
from interflow.sums.series.transform import Accuracy

_SAFETY: Final = 1.1
"""For what lies between the points and the numbers of modes that were measured."""


class Grid(NamedTuple):
    """A fine grid with a width of spreading.

    Attributes:
        upsampling: s, the ratio of fine grid to modes.
        width: w, the cells of an axis that a point touches.
        tolerance: what makes FINUFFT take this width.
        inner: the largest error of ``exp(ikx)`` in one dimension for ``|k| ≤ K/2``, as measured.
        outer: for all k.
    """

    upsampling: float
    width: int
    tolerance: float
    inner: float
    outer: float

    def error(self, modes: Modes, edge: float) -> float:
        """``Σₖ gₖ ηₖ / Σₖ gₖ`` for weights g with so much at the edge, at most.

        An exponential is a product over the axes: the errors of its factors add up, each times at most 1 + η of others.
        """
        axes = modes.dimension
        sum_of_axes = axes * self.inner + min(edge, axes) * (self.outer - self.inner)
        return _SAFETY * sum_of_axes * (1.0 + self.outer) ** (axes - 1)


_MEASURED: Final[dict[float, tuple[tuple[float, float, float], ...]]] = {
    1.25: (
        (0.7, 1.4e-1, 4.0e-1), (1.6, 2.8e-2, 8.8e-2), (2.2, 5.4e-3, 2.1e-2), (2.9, 6.5e-4, 7.7e-3),
        (3.5, 9.6e-5, 1.3e-3), (4.1, 2.5e-5, 2.8e-4), (4.7, 3.8e-6, 5.5e-5), (5.4, 5.6e-7, 1.6e-5),
        (5.9, 1.4e-7, 4.6e-6), (6.4, 1.5e-8, 2.9e-6), (7.1, 2.8e-9, 2.3e-7), (7.7, 5.0e-10, 3.4e-7),
        (8.4, 6.7e-11, 4.1e-8), (8.9, 2.9e-11, 3.0e-8),
    ),
    2.0: (
        (1.0, 8.1e-2, 1.1e-1), (2.1, 6.8e-3, 9.8e-3), (3.1, 6.5e-4, 1.9e-3), (4.1, 6.6e-5, 1.5e-4),
        (5.1, 6.4e-6, 1.3e-5), (6.1, 9.5e-7, 1.7e-6), (7.0, 8.2e-8, 2.2e-7), (7.9, 5.1e-9, 1.9e-8),
        (8.9, 8.1e-10, 2.3e-9), (9.9, 7.5e-11, 2.1e-10), (10.9, 5.0e-12, 2.0e-11), (11.9, 5.1e-13, 3.4e-12),
        (12.9, 5.1e-14, 3.0e-13), (13.7, 1.8e-14, 1.5e-13),
    ),
    3.0: (
        (1.1, 5.4e-2, 5.4e-2), (2.4, 2.6e-3, 5.4e-3), (3.5, 2.8e-4, 3.3e-4), (4.6, 2.3e-5, 2.9e-5),
        (5.6, 2.3e-6, 2.3e-6), (6.9, 9.2e-8, 2.3e-7), (8.0, 8.5e-9, 1.3e-8), (9.1, 5.1e-10, 1.3e-9),
        (10.2, 5.0e-11, 6.8e-11), (11.4, 3.8e-12, 5.5e-12), (12.4, 3.0e-13, 6.5e-13), (13.5, 1.7e-14, 1.6e-13),
    ),
    4.0: (
        (1.1, 3.9e-2, 4.5e-2), (2.5, 2.4e-3, 4.4e-3), (3.7, 1.8e-4, 2.1e-4), (4.9, 1.9e-5, 1.9e-5),
        (6.0, 7.5e-7, 1.4e-6), (7.2, 5.4e-8, 6.3e-8), (8.5, 2.6e-9, 4.4e-9), (9.6, 2.6e-10, 2.6e-10),
        (10.6, 1.1e-11, 2.1e-11), (12.0, 8.8e-13, 1.5e-12), (13.1, 4.6e-14, 1.8e-13),
    ),
}  # fmt: skip
"""By s: digits of the tolerance, and the errors inner and outer, for w = 2, 3, … of FINUFFT 2.5."""

GRIDS: Final = tuple(
    Grid(upsampling, width, 10.0**-digits, inner, outer)
    for upsampling, rows in _MEASURED.items()
    for width, (digits, inner, outer) in enumerate(rows, start=2)
)


@dataclass(frozen=True)
class Work:
    """Transforms of so many points on a CPU core.

    Args:
        points: the number of points.
        modes: the modes.
    """

    points: int
    modes: Modes

    def grid(self, accuracy: Accuracy) -> Grid | None:
        """The grid that costs least among those that are right enough; None where there is none."""
        return next(
            (grid for grid in _by_cost(self) if grid.error(self.modes, accuracy.edge) <= accuracy.precision), None
        )

    @property
    def sorting(self) -> float:
        """The time that a plan takes to sort them, once for all of its transforms."""
        return 4e-8 * self.points

    def seconds(self, grid: Grid) -> float:
        """The time of one transform."""
        axes = self.modes.dimension
        a_point = 1e-8 + 1.4e-8 * axes + 1.7e-9 * grid.width + 5e-10 * float(grid.width) ** axes
        cells = math.prod(max(grid.upsampling * count, 2.0 * grid.width) for count in self.modes.shape)
        return self.points * a_point + cells * 4e-8


@lru_cache(maxsize=256)
def _by_cost(work: Work) -> list[Grid]:
    return sorted(GRIDS, key=work.seconds)


def finest(work: Work, accuracy: Accuracy) -> Grid:
    """The grid of an accuracy that was found to be within reach; of one beyond it, the most precise grid."""
    return work.grid(accuracy) or min(GRIDS, key=lambda grid: grid.outer)
