"""A run in one figure, as dots or densities, and figures by name.

Clouds that are too large for dots: the mass in each cell of a grid, all particles counted.

On the plane of the first two axes, of space seen along the third; on a line over time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, final

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import FigureBase, SubFigure
from matplotlib.gridspec import SubplotSpec

from interflow.errors import ArgumentError
from interflow.solution import Solution
from interflow.views.colours import Colour, ColourScale
from interflow.views.panels import (
    CURVE,
    DOTS,
    PANELS,
    WIDTH,
    Panel,
    dot_size,
    draw_energy,
    energy_curve,
    opacity,
    storyboard,
    style_plane,
)
from interflow.views.picture import (
    NAMES,
    SEQUENTIAL_CMAP,
    Array,
    Clouds,
    Legend,
    NotebookFigure,
    add_legend,
    join_title,
    style_axes,
)


def evolution(solution: Solution, *, colour: Colour = "time", title: str = "") -> NotebookFigure:
    """The frames of a run as dots, at most 20 000 of a cloud; of more than three axes the first three.

    A cloud on a line is drawn in the plane of time and position, each particle a path of dots.

    Args:
        solution: the run.
        colour: what the colour of a dot shows: ``"time"``, the local ``"density"``, the ``"speed"``, the position at
            the ``"start"``, the ``"weight"``, or numbers of one's own, ``(N,)`` or ``(frames, N)``.
        title: first line of the picture.

    Raises:
        ArgumentError: for a colour that is none of these.

    Example:
        >>> import torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> picture = evolution(system.simulate(steps=3, save_every=1))
        >>> len(picture.axes)  # four clouds and the energy
        5
    """
    clouds = Clouds(solution)
    scale = ColourScale(colour, clouds)
    title = join_title(title, clouds.note())
    if clouds.axes == 1:
        return _paths(clouds, scale, title)

    def panel(parent: SubFigure, place: SubplotSpec, area: float) -> Panel:
        return DOTS[clouds.axes](parent, place, clouds, scale, area)

    return storyboard(clouds, panel, scale.legend, title)


def _paths(clouds: Clouds, scale: ColourScale, title: str) -> NotebookFigure:
    """Draw positions on a line, and the energy below, over time."""
    height = 3.8
    picture = NotebookFigure(WIDTH, height + CURVE + 0.3, title)
    top, bottom = picture.subplots(2, 1, sharex=True, height_ratios=(height, CURVE))
    size, alpha = dot_size(clouds.drawn, (WIDTH - 1.0) * height / max(len(clouds), 10)), opacity(clouds.drawn)
    for frame in range(len(clouds)):
        points, colours = clouds.dots(frame)[:, 0], scale.colours(frame)
        times = [clouds.times[frame]] * len(points)
        top.scatter(times, points, s=size, alpha=alpha, color=colours, linewidths=0, rasterized=True)
    (low,), (high,) = clouds.limits
    top.set(ylim=(low, high), ylabel=f"position {NAMES[0]}")
    style_axes(top, open=False)
    if scale.legend is not None:
        add_legend(picture, [top, bottom], scale.legend)
    draw_energy(bottom, clouds, range(len(clouds)))
    return picture


_IN_A_CELL: Final = 12  # particles, were they spread evenly
_CELLS: Final = (24, 320)  # along the longest side, at least and at most
_PROBES: Final = 12  # frames that the ends of the scale are taken from
_LOGARITHMIC: Final = 30.0  # from this ratio of the fullest cells to the usual ones on


def density(solution: Solution, *, title: str = "") -> NotebookFigure:
    """The mass per unit of area of a run at a few times, all particles counted; its scale is the same at all times.

    Args:
        solution: the run.
        title: first line of the picture.

    Example:
        >>> import torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(50, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> len(density(system.simulate(steps=1)).axes)  # two clouds, their scale and the energy
        4
    """
    clouds = Clouds(solution)
    title = join_title(title, clouds.note(dots=False), "seen along z" if clouds.axes == 3 else "")
    grid = Grid(clouds)
    if clouds.axes == 1:
        return _over_time(grid, title)
    norm = grid.norm({*clouds.spread(_PROBES).tolist(), *clouds.spread(PANELS).tolist()})

    def panel(parent: SubFigure, place: SubplotSpec, area: float) -> Panel:
        return PlaneDensity(parent, place, grid, norm)

    return storyboard(clouds, panel, legend(grid, norm), title)


@final
class Grid:
    """Square cells of the first two axes, or equal parts of a line.

    Args:
        clouds: the run.
    """

    def __init__(self, clouds: Clouds) -> None:
        self.clouds = clouds
        lower, upper = (corner[:2] for corner in clouds.limits)
        self.lower, self.upper = lower, upper
        sides = upper - lower
        wanted = (clouds.count / _IN_A_CELL) ** (1.0 / len(sides))
        along = np.clip(wanted * (sides.max() / sides.min()) ** 0.5 if len(sides) == 2 else wanted, *_CELLS)
        self.shape = tuple(np.maximum(1, np.round(along * sides / sides.max())).astype(int).tolist())

    def density(self, frame: int) -> Array:
        """Return mass over volume of each cell, in the grid's shape; outer points count in the nearest cell."""
        positions, weights = self.clouds.positions(frame)[:, : len(self.shape)], self.clouds.weights
        finite = np.isfinite(positions).all(1)
        counts = np.array(self.shape)
        places = (positions[finite] - self.lower) * (counts / (self.upper - self.lower))
        cells = np.clip(np.floor(places).astype(np.intp), 0, counts - 1)
        masses = np.bincount(np.ravel_multi_index(tuple(cells.T), self.shape), weights[finite], counts.prod())
        return np.asarray(masses.reshape(self.shape) / np.prod((self.upper - self.lower) / counts))

    def norm(self, frames: Iterable[int] | None = None) -> Normalize:
        """Return one scale for all frames, logarithmic if the mass gathers in few cells."""
        frames = self.clouds.spread(_PROBES).tolist() if frames is None else frames
        filled = np.concatenate([values[values > 0.0] for values in map(self.density, frames)])
        if not len(filled):
            return Normalize(0.0, 1.0)
        usual, fullest = float(np.median(filled)), float(filled.max())
        return LogNorm(float(filled.min()), fullest) if fullest > _LOGARITHMIC * usual else Normalize(0.0, fullest)


def legend(grid: Grid, norm: Normalize) -> Legend:
    """Return the mappable and the name of the colour bar."""
    unit = "length" if len(grid.shape) == 1 else "area"
    return ScalarMappable(norm, SEQUENTIAL_CMAP), f"mass per unit of {unit}"


@final
class PlaneDensity(Panel):
    """Panel of the cells of the plane, white if empty."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, grid: Grid, norm: Normalize) -> None:
        super().__init__(parent.add_subplot(place), grid.clouds)
        self._grid = grid
        (left, low), (right, high) = grid.lower, grid.upper
        self._image = self.axes.imshow(
            np.zeros(grid.shape).T, extent=(left, right, low, high), origin="lower", norm=norm, cmap=SEQUENTIAL_CMAP
        )
        style_plane(self.axes, grid.clouds)

    def show(self, frame: int) -> None:
        self._image.set_data(_without_empty(self._grid.density(frame)).T)


@final
class LineDensity(Panel):
    """Panel of the density along a line, as steps."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, grid: Grid, norm: Normalize) -> None:
        super().__init__(parent.add_subplot(place), grid.clouds)
        self._grid = grid
        (left,), (right,) = grid.lower, grid.upper
        self._edges = np.linspace(left, right, grid.shape[0] + 1)
        self._steps: Any = self.axes.stairs(np.zeros(grid.shape), self._edges, color=SEQUENTIAL_CMAP(0.7), fill=True)
        self.axes.set(xlim=(left, right), xlabel=f"position {NAMES[0]}", ylabel="mass per unit of length")
        if isinstance(norm, LogNorm):
            self.axes.set_yscale("log")
        self.axes.set_ylim(norm.vmin, 1.05 * (norm.vmax or 1.0))
        style_axes(self.axes)

    def show(self, frame: int) -> None:
        self._steps.set_data(self._grid.density(frame), self._edges)


DENSITIES: Final[dict[int, Callable[[FigureBase, SubplotSpec, Grid, Normalize], Panel]]] = {
    1: LineDensity,
    2: PlaneDensity,
    3: PlaneDensity,
}
"""Panels of densities by the number of drawn axes."""


def _over_time(grid: Grid, title: str) -> NotebookFigure:
    """Draw the density along a line, and the energy below, over time."""
    clouds, frames = grid.clouds, range(len(grid.clouds))
    height = 3.8
    picture = NotebookFigure(WIDTH, height + CURVE + 0.3, title)
    top, bottom = picture.subplots(2, 1, sharex=True, height_ratios=(height, CURVE))
    values = np.stack([grid.density(frame) for frame in frames])
    (low,), (high,) = grid.lower, grid.upper
    norm = grid.norm(frames)
    edges, cells = _edges(clouds.times), np.linspace(low, high, grid.shape[0] + 1)
    top.pcolormesh(edges, cells, _without_empty(values).T, norm=norm, cmap=SEQUENTIAL_CMAP, rasterized=True)
    top.set(ylim=(low, high), ylabel=f"position {NAMES[0]}")
    style_axes(top, open=False)
    add_legend(picture, [top, bottom], legend(grid, norm))
    draw_energy(bottom, clouds, frames)
    return picture


def _edges(times: Array) -> Array:
    """Return the edges of the frames' columns, halfway between neighbours."""
    if len(times) == 1:
        return np.asarray(times[0] + np.array([-0.5, 0.5]))
    middles = (times[1:] + times[:-1]) / 2
    return np.concatenate([times[:1], middles, times[-1:]])


def _without_empty(values: Array) -> Any:
    return np.ma.masked_equal(values, 0.0)


WITHOUT_DOTS = {"energy": energy_curve, "density": density}


def plot(
    solution: Solution, kind: str = "evolution", *, colour: Colour | None = None, title: str = ""
) -> NotebookFigure:
    """Return a figure of a run, which a notebook shows and ``savefig`` writes.

    Args:
        solution: the run, in memory or on disk.
        kind: ``"evolution"``, ``"energy"`` or ``"density"``.
        colour: what the colours of the dots of an evolution show; see there.
        title: first line.

    Raises:
        ArgumentError: for another kind, or a colour where there are no dots.
    """
    if kind == "evolution":
        return evolution(solution, colour="time" if colour is None else colour, title=title)
    if kind not in WITHOUT_DOTS:
        wanted = f"one of evolution, {', '.join(WITHOUT_DOTS)}"
        raise ArgumentError("kind", came=repr(kind), wanted=wanted)
    if colour is not None:
        raise ArgumentError("colour", came=repr(colour), wanted=f"None for {kind!r}, which has no dots")
    return WITHOUT_DOTS[kind](solution, title=title)
