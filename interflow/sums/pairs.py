"""Potentials and fields by visiting every pair."""

from __future__ import annotations

from torch import Tensor

from interflow.sums.formula import derive
from interflow.sums.pairsum import Prepared
from interflow.sums.primitive import pair_sum


def pair_potential(data: Prepared) -> Tensor:
    """The potential ``(batch, 1, N)``."""
    return _pair_sum(data, data.formula)


def pair_gradient(data: Prepared) -> Tensor:
    """The field ``(batch, d, N)``."""
    return _pair_sum(data, derive(data.formula, "row_gradient", data.axes))


def pair_potential_and_gradient(data: Prepared) -> tuple[Tensor, Tensor]:
    """Potential ``(batch, 1, N)`` and field ``(batch, d, N)`` in one pass."""
    both = _pair_sum(data, derive(data.formula, "with_row_gradient", data.axes))
    return both.narrow(1, 0, 1), both.narrow(1, 1, len(data.axes))


def _pair_sum(data: Prepared, formula: str) -> Tensor:
    columns = [data.y, data.weights]
    total: Tensor = pair_sum(formula, data.backend, data.skip_diagonal, [data.x], columns, [data.parameters])
    return total
