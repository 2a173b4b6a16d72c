"""What a fit gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from interflow.fitting.settings import FitSettings
from interflow.fitting.stops import Record


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """Points that represent a target.

    Args:
        positions: ``(N, d)``, in the target's own coordinates.
        weights: ``(N,)``; their sum is the mass of the target.
        start: ``(N, d)``, where the points were before the first step.
        history: the loss at the start, every few steps, and at the end, in the coordinates of the descent.
        stats: how it went: ``stopped``, which says why; ``steps``, ``seconds``, ``scale``, ``integrator``,
            ``step_size``, ``loss``, ``discrepancy``, and ``sums``, the backends that ran.
        config: how it was made.
    """

    positions: Tensor
    weights: Tensor
    start: Tensor
    history: tuple[Record, ...]
    stats: Mapping[str, Any]
    config: FitSettings
