"""Two clouds of a line in one ascending order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from interflow.sums.sorted.ascending import ascending


class Ties(NamedTuple):
    """The sorted points that coincide with another one, each ``(n,)``.

    Attributes:
        batch: which sum of the batch a point belongs to.
        place: where it stands among the sorted points.
        first: where the first point at its position stands.
        last: where the last one stands.
    """

    batch: Tensor
    place: Tensor
    first: Tensor
    last: Tensor

    def mirrored(self, size: int) -> Ties:
        """Those of ``size`` points in the opposite order."""
        end = size - 1
        return Ties(self.batch, end - self.place, end - self.last, end - self.first)

    def at_first(self, values: Tensor) -> Tensor:
        """Values ``(batch, ..., K)`` with the one at the first of coinciding points for all of them."""
        return self._copied(values, self.first)

    def at_last(self, values: Tensor) -> Tensor:
        """Values ``(batch, ..., K)`` with the one at the last of coinciding points for all of them."""
        return self._copied(values, self.last)

    def _copied(self, values: Tensor, source: Tensor) -> Tensor:
        result = values.clone()
        result[self.batch, ..., self.place] = values[self.batch, ..., source]
        return result


@dataclass(frozen=True, eq=False)
class Order:
    """The points of the rows and of the columns of a sum, sorted together.

    Attributes:
        positions: ascending, float64, ``(batch, K)``.
        places: where each one stands among the unsorted points, ``(batch, K)``.
        ties: those that coincide; None where none do.
        rows: which of the unsorted points are rows.
        columns: which are columns.
    """

    positions: Tensor
    places: Tensor
    ties: Ties | None
    rows: slice
    columns: slice

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Order:
        """The order of rows ``(batch, N)`` and columns ``(batch, M)``, sorted once where they are the same numbers."""
        if x.is_set_to(y):
            return cls._sorted(x, slice(None), slice(None))
        count = x.shape[-1]
        return cls._sorted(torch.cat([x, y], -1), slice(0, count), slice(count, None))

    @classmethod
    def _sorted(cls, points: Tensor, rows: slice, columns: slice) -> Order:
        ordered, places = ascending(points.detach())
        positions = ordered.double()
        return cls(positions, places, _ties(positions), rows, columns)

    def swapped(self) -> Order:
        """The same points with rows and columns exchanged."""
        return replace(self, rows=self.columns, columns=self.rows)

    def spread(self, weights: Tensor) -> Tensor:
        """Weights of the columns ``(batch, channels, M)`` as those of the sorted points; those of the rows are 0."""
        size = self.positions.shape[-1]
        everywhere = weights
        if weights.shape[-1] != size or self.rows != self.columns:
            everywhere = weights.new_zeros(*weights.shape[:2], size)
            everywhere[..., self.columns] = weights
        return everywhere.gather(-1, self._places(weights.shape[1]))

    def collect(self, values: Tensor) -> Tensor:
        """From values at the sorted points ``(batch, channels, K)`` to those at the rows, ``(batch, channels, N)``."""
        return torch.empty_like(values).scatter_(-1, self._places(values.shape[1]), values)[..., self.rows]

    def _places(self, channels: int) -> Tensor:
        return self.places[:, None].expand(-1, channels, -1)


def _ties(positions: Tensor) -> Ties | None:
    batch, left = (positions[..., 1:] == positions[..., :-1]).nonzero(as_tuple=True)  # those equal to the next one
    if len(left) == 0:
        return None
    goes_on = (left.diff() == 1) & (batch.diff() == 0)
    edge = goes_on.new_zeros(1)
    opens, closes = ~torch.cat([edge, goes_on]), ~torch.cat([goes_on, edge])
    run = opens.cumsum(0) - 1
    first, last = left[opens], left[closes] + 1
    return Ties(
        torch.cat([batch, batch[closes]]),
        torch.cat([left, last]),
        torch.cat([first[run], first]),
        torch.cat([last[run], last]),
    )
