"""A run at a few times: a panel for each, of one size and one scale, with its time; the energy below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.figure import SubFigure
from matplotlib.gridspec import SubplotSpec

from interflow.views.clouds import Clouds, time_labels
from interflow.views.energy import draw_energy
from interflow.views.panels import Panel
from interflow.views.picture import TIME, Legend, Picture, add_legend

PANELS: Final = 6
"""Clouds in the picture."""
WIDTH: Final = 9.0
"""Of a picture of a run, in inches."""
CURVE: Final = 2.1
"""Height of the energy below, in inches."""
_FLAT, _TALL = 0.45, 1.6  # heights of a cloud over its width from which rows have two panels, or six

MakePanel = Callable[[SubFigure, SubplotSpec, float], Panel]
"""A panel in a place of a figure, of an area in square inches."""


def storyboard(clouds: Clouds, make_panel: MakePanel, legend: Legend | None, title: str) -> Picture:
    """The frames of a run that are spread evenly over it, and the energy of all.

    Args:
        clouds: the run.
        make_panel: makes a place for a frame.
        legend: what the colours of the panels mean; None where that is said elsewhere.
        title: first line.
    """
    frames = clouds.spread(PANELS)
    proportion = _proportion(clouds)
    columns = min(max(len(frames), 2), _columns(proportion))
    rows = -(-len(frames) // columns)
    width = WIDTH / columns - 0.35
    height = float(np.clip(width * proportion, 0.7, 5.0))
    top_height = rows * (height + 0.55)
    picture = Picture(WIDTH, top_height + CURVE + 0.3, title)
    halves = picture.add_gridspec(2, 1, height_ratios=(top_height, CURVE))
    above, below = halves[0], halves[1]
    top, bottom = picture.add_subfigure(above), picture.add_subfigure(below)
    places = top.add_gridspec(rows, columns)
    cells = [places[index // columns, index % columns] for index in range(len(frames))]
    panels = [make_panel(top, cell, width * height) for cell in cells]
    labels = time_labels(clouds.times[frames])
    for index, (panel, frame, label) in enumerate(zip(panels, frames.tolist(), labels, strict=True)):
        panel.show(frame)
        panel.axes.set_title(f"t = {label}", fontsize=10, color=time_colour(clouds, frame))
        _only_outside(panel, left=index % columns == 0, low=index + columns >= len(frames))
    if legend is not None:
        add_legend(top, [panel.axes for panel in panels], legend)
    draw_energy(bottom.subplots(), clouds, frames.tolist())
    return picture


def time_colour(clouds: Clouds, frame: int) -> tuple[float, float, float, float]:
    """Blue for the start of the run, red for its end."""
    begin, end = clouds.times[0], clouds.times[-1]
    return TIME(float((clouds.times[frame] - begin) / (end - begin)) if end > begin else 0.0)


def _proportion(clouds: Clouds) -> float:
    """Height over width of a panel: of the box on its first two axes; a cube is seen in a square."""
    lower, upper = clouds.limits
    sides = upper - lower
    return float(sides[1] / sides[0]) if len(sides) == 2 else 0.95


def _columns(proportion: float) -> int:
    return 2 if proportion < _FLAT else PANELS if proportion > _TALL else 3


def _only_outside(panel: Panel, *, left: bool, low: bool) -> None:
    """Numbers and names at the left and the lower side of the whole, where all panels have the same axes."""
    if panel.clouds.axes == 2:
        panel.axes.tick_params(labelleft=left, labelbottom=low)
        panel.axes.set(xlabel=panel.axes.get_xlabel() if low else "", ylabel=panel.axes.get_ylabel() if left else "")
