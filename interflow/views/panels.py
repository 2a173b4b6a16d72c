"""Panels of frames, storyboards of several, and the energy below them."""

from __future__ import annotations

import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Final, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from interflow.solution import ENERGY, Solution
from interflow.views.colours import ColourScale
from interflow.views.picture import (
    GREY,
    NAMES,
    PALE,
    SEQUENTIAL_CMAP,
    TIME_CMAP,
    Array,
    Clouds,
    Legend,
    NotebookFigure,
    add_legend,
    join_title,
    plain,
    style_axes,
    time_labels,
    to_numpy,
)

_COVER: Final = 0.55  # what the dots of a panel cover together, as a part of it
_STEPS: Final = (1, 2, 5, 10)  # between numbers at an axis, so that the ends of a unit box are among them
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0


class Panel(ABC):
    """One cloud on axes whose limits do not change.

    Args:
        axes: where it is drawn.
        clouds: the run.
    """

    def __init__(self, axes: Axes, clouds: Clouds) -> None:
        self.axes = axes
        self.clouds = clouds

    @abstractmethod
    def show(self, frame: int) -> None:
        """Draw a frame in place of the current one."""


@final
class LineDots(Panel):
    """Panel of points on a line, spread over a strip so that coinciding points stay apart."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: ColourScale, area: float) -> None:
        super().__init__(parent.add_subplot(place), clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, area)
        self._heights = np.mod(_GOLDEN * np.arange(clouds.drawn), 1.0)
        self._drawn: Any = None
        (left,), (right,) = clouds.limits
        self.axes.set(xlim=(left, right), ylim=(-0.05, 1.05), yticks=(), xlabel=f"position {NAMES[0]}")
        style_axes(self.axes, open=False)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        points, alpha = self.clouds.dots(frame)[:, 0], opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        self._drawn = self.axes.scatter(
            points, self._heights, s=self._size, alpha=alpha, color=colours, linewidths=0, rasterized=True
        )


@final
class PlaneDots(Panel):
    """Panel of points in the plane."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: ColourScale, area: float) -> None:
        super().__init__(parent.add_subplot(place), clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, area)
        self._drawn: Any = None
        style_plane(self.axes, clouds)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        points, alpha = self.clouds.dots(frame), opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        self._drawn = self.axes.scatter(
            points[:, 0], points[:, 1], s=self._size, alpha=alpha, color=colours, linewidths=0, rasterized=True
        )


@final
class SpaceDots(Panel):
    """Panel of points in space; distant ones are paler."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: ColourScale, area: float) -> None:
        axes: Any = parent.add_subplot(place, projection="3d")
        super().__init__(axes, clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, 0.5 * area)
        self._drawn: Any = None
        lower, upper = clouds.limits
        axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), zlim=(lower[2], upper[2]))
        axes.set_box_aspect(_visible(upper - lower), zoom=0.88)  # room for the name of the upright axis
        axes.view_init(elev=22.0, azim=-58.0)
        for axis, name in zip((axes.xaxis, axes.yaxis, axes.zaxis), NAMES, strict=True):
            axis.set_major_locator(MaxNLocator(4, steps=_STEPS))
            axis.set_pane_color((0.97, 0.97, 0.97))
            axis.set_label_text(name, fontsize=9)
            axis.line.set_color(PALE)
            axis.labelpad = -6
        axes.tick_params(labelsize=7, colors="0.35", pad=-2)
        axes.grid(visible=False)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        axes: Any = self.axes
        points, alpha = self.clouds.dots(frame), opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        colours[:, 3] = alpha
        self._drawn = axes.scatter(*points.T, s=self._size, c=colours, linewidths=0, rasterized=True)


DOTS: Final[dict[int, Callable[[FigureBase, SubplotSpec, Clouds, ColourScale, float], Panel]]] = {
    1: LineDots,
    2: PlaneDots,
    3: SpaceDots,
}
"""Panels of dots by the number of drawn axes."""


def style_plane(axes: Axes, clouds: Clouds) -> None:
    """Give the axes of a plane equal units, limits and names."""
    lower, upper = (corner[:2] for corner in clouds.limits)
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
    axes.set_xlabel(NAMES[0], fontsize=9, labelpad=1)
    axes.set_ylabel(NAMES[1], fontsize=9, labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    style_axes(axes, open=False)


def dot_size(count: int, area: float) -> float:
    """Return the area of a dot [square points] among many in a panel [square inches]."""
    return float(np.clip(_COVER * area * 72.0**2 / max(count, 1), 0.4, 30.0))


def opacity(count: int) -> float:
    """Return an opacity with which many points stay a cloud and few stay visible."""
    return 0.85 if count < 3000 else 0.6


def _visible(sides: Array) -> Array:
    """Return the sides of a box in proportion, none so short that it disappears."""
    return np.asarray(np.maximum(sides, 0.1 * sides.max()))


_CURVES: Final = 200  # columns of a scalar that are drawn; of more, evenly spread ones
_NAMED: Final = 7  # of these, that the legend names
_NAME: Final = 96  # letters of a name, four lines
_LETTERS: Final = 24  # of a name, in a line at the height of a panel


def energy_curve(solution: Solution, *, title: str = "") -> NotebookFigure:
    """Draw the energy over time, and below it a panel for each other scalar of the run.

    Args:
        solution: the run.
        title: first line.

    Example:
        >>> import torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> len(energy_curve(system.simulate(steps=3)).axes)
        1
    """
    clouds = Clouds(solution)
    others = {name: to_numpy(values) for name, values in solution.scalars.items() if name != ENERGY}
    picture = NotebookFigure(9.0, 3.2 + 1.9 * len(others), join_title(title, clouds.note(dots=False)))
    ratios = (1.5, *[1.0] * len(others))
    first, *rest = picture.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    draw_energy(first, clouds, range(len(clouds)))
    for panel, (name, values) in zip(rest, others.items(), strict=True):
        _draw_scalar(panel, clouds.times, values, name)
    for panel in (first, *rest[:-1]) if rest else ():
        panel.set_xlabel("")
    return picture


def draw_energy(panel: Axes, clouds: Clouds, frames: Iterable[int]) -> None:
    """Draw the energy of all frames, with dots at some in the colour of their time."""
    times, energies, frames = clouds.times, clouds.energies, list(frames)
    panel.plot(times, energies, color="0.6", linewidth=1.2, zorder=1)
    span = (times[-1] - times[0]) or 1.0
    colours = TIME_CMAP((times[frames] - times[0]) / span)
    panel.scatter(times[frames], energies[frames], s=28 if len(frames) < 40 else 8, color=colours, zorder=2)
    panel.set(xlabel="time t", ylabel="energy E")
    _furnish(panel)


def _draw_scalar(panel: Axes, times: Array, values: Array, name: str) -> None:
    """Draw a curve for each column, with a legend if there are several."""
    columns = values.reshape(len(values), math.prod(values.shape[1:])).T
    count = len(columns)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _CURVES)).astype(int)).tolist()
    tints = (
        [GREY]
        if values.ndim == 1
        else [SEQUENTIAL_CMAP(shade) for shade in np.linspace(0.25, 1.0, max(len(chosen), 1))]
    )
    curves = [
        panel.plot(times, columns[column], linewidth=1.2, color=tint)[0]
        for column, tint in zip(chosen, tints, strict=False)
    ]
    panel.set_xlabel("time t")
    words = textwrap.wrap(plain(name.replace("_", " "), _NAME), _LETTERS)
    panel.set_ylabel("\n".join(words), parse_math=False)
    _furnish(panel)
    if values.ndim > 1:
        named = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), _NAMED)).astype(int)).tolist()
        handles, numbers = [curves[place] for place in named], [str(chosen[place]) for place in named]
        title = f"{count:,} column{'' if count == 1 else 's'}" + f",\n{len(chosen)} drawn" * (len(chosen) < count)
        style = {"fontsize": 7, "title_fontsize": 7, "frameon": False, "labelspacing": 0.25}
        panel.legend(handles, numbers, title=title, loc="upper left", bbox_to_anchor=(1.0, 1.08), **style)


def _furnish(panel: Axes) -> None:
    panel.margins(x=0.02, y=0.12)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    style_axes(panel)


PANELS: Final = 6
"""Number of clouds in a storyboard."""
WIDTH: Final = 9.0
"""Width of a figure of a run [inches]."""
CURVE: Final = 2.1
"""Height of the energy below [inches]."""
_FLAT, _TALL = 0.45, 1.6  # heights of a cloud over its width from which rows have two panels, or six

MakePanel = Callable[[SubFigure, SubplotSpec, float], Panel]
"""Makes a panel at a place of a figure, of an area in square inches."""


def storyboard(clouds: Clouds, make_panel: MakePanel, legend: Legend | None, title: str) -> NotebookFigure:
    """Draw evenly spread frames of a run, and the energy of all frames.

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
    picture = NotebookFigure(WIDTH, top_height + CURVE + 0.3, title)
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
    """Return the colour of a frame's time, from blue at the start to red at the end."""
    begin, end = clouds.times[0], clouds.times[-1]
    return TIME_CMAP(float((clouds.times[frame] - begin) / (end - begin)) if end > begin else 0.0)


def _proportion(clouds: Clouds) -> float:
    """Return height over width of a panel: of the box on its first two axes, or 1 in space."""
    lower, upper = clouds.limits
    sides = upper - lower
    return float(sides[1] / sides[0]) if len(sides) == 2 else 0.95


def _columns(proportion: float) -> int:
    return 2 if proportion < _FLAT else PANELS if proportion > _TALL else 3


def _only_outside(panel: Panel, *, left: bool, low: bool) -> None:
    """Keep numbers and names at the left and the lower side alone, for panels with the same axes."""
    if panel.clouds.axes == 2:
        panel.axes.tick_params(labelleft=left, labelbottom=low)
        panel.axes.set(xlabel=panel.axes.get_xlabel() if low else "", ylabel=panel.axes.get_ylabel() if left else "")
