"""Sums that run out of memory are done again on smaller tiles, on the same device and in the same dtype."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from interflow.errors import InterflowWarning

ResultT = TypeVar("ResultT")

SMALLEST = 32
"""The side of the smallest tile; with less the results themselves are what does not fit."""


def on_smaller_tiles(total: Callable[[int], ResultT], tile: int) -> ResultT:
    """``total(tile)``, or where memory runs out that of half the side, and so on.

    Warns:
        InterflowWarning: with the old and the new side.
    """
    while True:
        try:
            return total(tile)
        except RuntimeError as error:  # of which torch.OutOfMemoryError is one
            if not _is_out_of_memory(error) or tile <= SMALLEST:
                raise
        # after the clause, since an error holds on to the tensors of the attempt
        smaller = max(SMALLEST, tile // 2)
        warnings.warn(
            f"memory ran out in a pair sum with tiles of {tile}² pairs; it is done again with tiles of {smaller}². "
            f"`backend=Dense(tile={smaller})` begins with them.",
            InterflowWarning,
            stacklevel=2,
        )
        tile = smaller


def _is_out_of_memory(error: RuntimeError) -> bool:
    """On the CPU the allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error)
