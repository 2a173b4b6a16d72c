"""The picture of a run from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interflow.solution import Solution
from interflow.views import evolution


def draw(solution: Solution, summary: Mapping[str, Any]) -> Figure:
    """The evolution of a run in the box that its summary tells."""
    lower, upper = (summary.get(name) or [None] for name in ("lower", "upper"))
    box = _filled(lower, -np.inf), _filled(upper, np.inf)
    title = str(summary.get("name", ""))
    return evolution(solution.positions, solution.times, solution.energies, box=box, title=title)


def _filled(corner: Sequence[float | None], missing: float) -> NDArray[np.float64]:
    """A corner with infinities again, for which JSON has no number."""
    return np.array([missing if value is None else value for value in corner], dtype=np.float64)
