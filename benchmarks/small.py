"""What does interflow cost where there is little to compute? The field of the tour for a few hundred points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from benchmarks import field, peers
from benchmarks.measure import Entry
from benchmarks.tables import Table

SIZES = (100, 200, 500)


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and each way."""
    return field.table_of(entries, sizes, device, "Small problems: the same field")


def entries(x: Tensor) -> Iterator[Entry[Tensor]]:
    """The plain formula, and what runs unless one asks for something else."""
    yield peers.plain_field(x, field.SIGMA)
    for backend in ("dense", "auto"):
        yield field.interflow_field(x, backend)
