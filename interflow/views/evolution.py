"""A run in one picture: the cloud at a few times, coloured by time from blue to red, and its energy below."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike, NDArray

from interflow.errors import ArgumentError

Array = NDArray[np.floating[Any]]
Box = tuple[ArrayLike, ArrayLike]

PANELS = 6
"""Clouds in the picture."""
POINTS = 20_000
"""Points drawn of each cloud; of a larger one, evenly spread ones."""
_INK = 1.5e4  # what a panel's markers cover together, in square points
_GREY = "0.35"


def evolution(
    positions: ArrayLike, times: ArrayLike, energies: ArrayLike, *, box: Box | None = None, title: str = ""
) -> Figure:
    """The frames of a run as a figure. Of more than two axes the first two are drawn, and the figure says so.

    A cloud on a line is drawn in the plane of time and position, each particle a path of dots.

    Args:
        positions: ``(frames, N, d)``.
        times: ``(frames,)``.
        energies: ``(frames,)``.
        box: lower and upper corner of the domain, each a number or one number an axis, infinite where it has no end;
            None to fit the points.
        title: first line of the figure.

    Raises:
        ArgumentError: if the shapes do not fit.

    Example:
        >>> figure = evolution(np.zeros((3, 5, 2)), times=[0, 1, 2], energies=[3, 2, 1], box=(0, 1))
        >>> len(figure.axes)
        4
    """
    clouds, moments, values = (np.asarray(array, dtype=np.float64) for array in (positions, times, energies))
    _check(clouds, moments, values)
    chosen = np.unique(np.linspace(0, len(clouds) - 1, min(PANELS, len(clouds))).round().astype(int))
    line = clouds.shape[2] == 1
    lower, upper = _limits(clouds[..., :2], box)
    width, height = (7.2, 3.8) if line else _top_size(len(chosen), upper - lower)
    figure = Figure(figsize=(width, height + 2.4), dpi=150, layout=ConstrainedLayoutEngine(wspace=0.05))
    rows = figure.add_gridspec(2, 1, height_ratios=(height + 0.4, 2.0))
    top, bottom = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    if line:
        _draw_line(top.subplots(), clouds[:, :, 0], moments, (lower[0], upper[0]))
    else:
        panels = list(np.atleast_1d(top.subplots(1, len(chosen))))
        _draw_clouds(panels, clouds[chosen, :, :2], moments, chosen, (lower, upper))
    _draw_energy(bottom.subplots(), moments, values, () if line else chosen)
    figure.suptitle("  ·  ".join(filter(None, (title, _note(clouds)))), fontsize=10)
    return figure


def colour(fraction: float) -> tuple[float, float, float]:
    """Blue at the start of a run (0), red at its end (1)."""
    return fraction, 0.0, 1.0 - fraction


def _check(clouds: Array, moments: Array, values: Array) -> None:
    if clouds.ndim != 3 or 0 in (len(clouds), clouds.shape[-1]):
        raise ArgumentError("positions", came=f"shape {clouds.shape}", wanted="(frames, N, d) with a frame and an axis")
    for name, series in (("times", moments), ("energies", values)):
        if series.shape != clouds.shape[:1]:
            raise ArgumentError(name, came=f"shape {series.shape}", wanted=f"({len(clouds)},), one a frame")


def _note(clouds: Array) -> str:
    count, dimension = clouds.shape[1:]
    drawn = f", {POINTS:,} drawn" if count > POINTS else ""
    axes = f", the first two of {dimension} axes" if dimension > 2 else ""
    return f"{count:,} particle{'' if count == 1 else 's'}{drawn}{axes}"


def _sample(count: int) -> Any:
    return slice(None) if count <= POINTS else np.linspace(0, count - 1, POINTS).astype(int)


def _top_size(panels: int, extent: Array) -> tuple[float, float]:
    """Width and height of the row of clouds in inches, so that panels of this extent fill it."""
    width = 2.3 * max(panels, 3)
    panel = min(width / panels - 0.25, 3.4)
    return width, float(np.clip(panel * extent[1] / extent[0], 0.8, 5.0)) + 0.5


def _draw_clouds(
    panels: list[Axes], clouds: Array, moments: Array, chosen: NDArray[np.int_], limits: tuple[Array, Array]
) -> None:
    points = clouds[:, _sample(clouds.shape[1])]
    size, alpha = _marker(points.shape[1])
    (left, low), (right, high) = limits
    for panel, cloud, index in zip(panels, points, chosen, strict=True):
        tint = colour(index / max(len(moments) - 1, 1))
        panel.scatter(cloud[:, 0], cloud[:, 1], s=size, alpha=alpha, color=[tint], linewidths=0, rasterized=True)
        panel.set(xlim=(left, right), ylim=(low, high), aspect="equal")
        panel.set_title(f"t = {moments[index]:.3g}", fontsize=10, color=tint)
        panel.tick_params(labelsize=7, colors=_GREY, labelleft=panel is panels[0])
        panel.locator_params(nbins=3)
        panel.spines[:].set_color("0.75")


def _draw_line(panel: Axes, positions: Array, moments: Array, limits: tuple[float, float]) -> None:
    points = positions[:, _sample(positions.shape[1])]
    size, alpha = _marker(points.shape[1])
    for index, (time, cloud) in enumerate(zip(moments, points, strict=True)):
        tint = colour(index / max(len(moments) - 1, 1))
        panel.scatter(
            np.full_like(cloud, time), cloud, s=size, alpha=alpha, color=[tint], linewidths=0, rasterized=True
        )
    panel.set(ylim=limits, ylabel="position", xlabel="time t")
    panel.tick_params(labelsize=8, colors=_GREY)
    panel.spines[:].set_color("0.75")


def _draw_energy(panel: Axes, moments: Array, values: Array, chosen: Any) -> None:
    panel.plot(moments, values, color="0.6", linewidth=1.2, zorder=1)
    for index in chosen:
        panel.scatter(moments[index], values[index], s=28, color=[colour(index / max(len(moments) - 1, 1))], zorder=2)
    panel.set(xlabel="time t", ylabel="energy E")
    panel.margins(x=0.02, y=0.12)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    panel.tick_params(labelsize=8, colors=_GREY)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["bottom", "left"]].set_color("0.75")


def _marker(count: int) -> tuple[float, float]:
    """Size and opacity with which many points stay a cloud and few stay visible."""
    return float(np.clip(_INK / max(count, 1), 0.5, 14.0)), 0.85 if count < 3000 else 0.6


def _limits(points: Array, box: Box | None) -> tuple[Array, Array]:
    """Lower and upper corner of what is drawn, in every panel the same: the box, and a square around all points where
    the box has no end."""
    axes = points.shape[-1]
    finite = points[np.isfinite(points).all(-1)]
    finite = finite if len(finite) else np.zeros((1, axes))
    lowest, highest = finite.min(0), finite.max(0)
    half, centre = 0.54 * (float((highest - lowest).max()) or 1.0), (lowest + highest) / 2
    lower, upper = (_corner(corner, axes) for corner in (box or (-np.inf, np.inf)))
    return np.where(np.isfinite(lower), lower, centre - half), np.where(np.isfinite(upper), upper, centre + half)


def _corner(corner: ArrayLike, axes: int) -> Array:
    return np.broadcast_to(np.asarray(corner, dtype=np.float64).ravel()[:axes], (axes,))
