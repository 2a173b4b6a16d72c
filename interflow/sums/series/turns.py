"""Quarter turns of the circles on which points lie, so that the seam of a grid is where few of them are.

A grid point near the seam is reached from both ends of an axis, which takes a transform up to twice the time. Turned by
``s = jπ/2`` the angles are ``θ − s``, and the modes differ by powers of i, which are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

_LOOKED_AT: Final = 2**12
"""Points that are counted, at least if there are as many."""

_WORTH: Final = 1.5
"""How many times more points there must be at the seam than elsewhere."""

_POWERS_OF_I: Final = (1.0, 1.0j, -1.0, -1.0j)


@final
@dataclass(frozen=True)
class Turn:
    """By how many quarters each axis is turned.

    Args:
        quarters: j, 0 to 3, an axis each.

    Example:
        >>> angles = torch.full((1, 100), 3.1)
        >>> Turn.of(angles)
        Turn(quarters=(1,))
    """

    quarters: tuple[int, ...]

    @classmethod
    def of(cls, angles: Tensor) -> Turn:
        """What takes the seam, which is at π, away from a crowd; by the counts in quarters around 0, π/2, π and 3π/2.

        Args:
            angles: θ, finite, ``(d, N)``.
        """
        some = angles[:, :: max(1, angles.shape[1] // _LOOKED_AT)]
        quarters = (some * (2.0 / math.pi)).round().long() % 4
        return cls(tuple(_best(torch.bincount(axis, minlength=4).tolist()) for axis in quarters))

    def angles(self, angles: Tensor) -> Tensor:
        """``θ − s``."""
        if not any(self.quarters):
            return angles
        shifts = angles.new_tensor([0.5 * math.pi * quarter for quarter in self.quarters])
        return angles - shifts[:, None]

    def forth(self, coefficients: Tensor) -> Tensor:
        """From the coefficients of a sum at θ to those of the same sum at ``θ − s``: times ``exp(iks)``."""
        return self._times_powers(coefficients, 1)

    def back(self, sums: Tensor) -> Tensor:
        """From ``Σ w exp(−ik(θ − s))`` to ``Σ w exp(−ikθ)``: times ``exp(−iks)``."""
        return self._times_powers(sums, -1)

    def _times_powers(self, values: Tensor, sign: int) -> Tensor:
        """Times ``i^(±jk)`` along each of the last axes, where k is 0 in the middle."""
        for axis, quarter in enumerate(self.quarters, start=values.ndim - len(self.quarters)):
            if quarter:
                width = values.shape[axis] // 2
                powers = [_POWERS_OF_I[sign * quarter * k % 4] for k in range(-width, width + 1)]
                shape = [-1 if other == axis else 1 for other in range(values.ndim)]
                values = values * values.new_tensor(powers).view(shape)
        return values


def _best(counts: list[int]) -> int:
    """The turn with the fewest points at the seam, π + jπ/2; none where that gains little."""
    at_seam = [counts[(2 + quarter) % 4] for quarter in range(4)]
    fewest = min(at_seam)
    return 0 if at_seam[0] <= _WORTH * fewest else at_seam.index(fewest)
