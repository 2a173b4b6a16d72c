"""Fits that give the same bits each time."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeVar

from interflow.discrepancies import MMD, Discrepancy
from interflow.sums import Auto

DiscrepancyT = TypeVar("DiscrepancyT", bound=Discrepancy)


def repeatable(discrepancy: DiscrepancyT) -> DiscrepancyT:
    """A copy whose sums, where it is open which backend does them, leave out those that round otherwise each time.

    Example:
        >>> from interflow import EnergyDistance
        >>> repeatable(EnergyDistance()).mmd.backend
        Auto(repetitions=None, deterministic=True)
    """
    copied = copy.deepcopy(discrepancy)
    for part in copied.modules():
        if isinstance(part, MMD) and part.backend == "auto":
            part.backend = Auto(deterministic=True)
        elif isinstance(part, MMD) and isinstance(part.backend, Auto):
            part.backend = replace(part.backend, deterministic=True)
    return copied
