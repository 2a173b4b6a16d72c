"""The report of a fit: target, start and result, and curves of loss and held-out distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from interflow.views.picture import NotebookFigure, join_title, style_axes

Array = NDArray[np.floating[Any]]

POINTS = 50_000
"""Points drawn of each cloud; of a larger one, evenly spread ones."""
_INK = 4.0e4  # what the markers of a panel cover together, in square points at the size of an inch
_PANEL = 3.9  # width of a panel, in inches


def fit_report(
    target: ArrayLike,
    start: ArrayLike,
    result: ArrayLike,
    *,
    target_weights: ArrayLike | None = None,
    history: Sequence[tuple[float, float, float]],
    reference: float | None = None,
    title: str = "",
    image: bool = False,
) -> NotebookFigure:
    """Return the report of a fit as a figure; of more than two axes it draws the first two and says so.

    Args:
        target: ``(M, d)``.
        start: ``(N, d)``.
        result: ``(N, d)``.
        target_weights: ``(M,)``, which shade the target's points; None for equal ones.
        history: seconds, loss and held-out distance, NaN where nothing is held out; a triple for each look at the fit.
        reference: the held-out distance of independent samples.
        title: first line of the figure.
        image: the target is the pixels of an image, whose second axis points down and whose mass is that of ink.

    Example:
        >>> cloud = np.random.default_rng(0).normal(size=(50, 2))
        >>> figure = fit_report(cloud, cloud, cloud, history=[(0.0, 1.0, 0.5), (1.0, 0.1, 0.05)], reference=0.3)
        >>> len(figure.axes)
        5
    """
    clouds = [_planar(cloud) for cloud in (target, start, result)]
    weights = None if target_weights is None else np.asarray(target_weights, np.float64)
    lower, upper = clouds[0].min(0), clouds[0].max(0)
    margin = max(0.04 * float((upper - lower).max() or 1.0), 1e-9 * float(np.abs(clouds[0]).max()))
    lower, upper = lower - margin, upper + margin
    aspect = float(np.clip((upper - lower)[1] / (upper - lower)[0], 0.25, 2.5))
    dimension = np.asarray(target).shape[1]
    note = f"the first two of {dimension} axes" if dimension > 2 else ""
    figure = NotebookFigure(13.5, 4.2 * aspect + 3.6, join_title(title, note))
    grid = figure.add_gridspec(2, 6, height_ratios=(4.2 * aspect + 0.4, 2.6))
    for index, (cloud, name) in enumerate(zip(clouds, ("target", "start", "result"), strict=True)):
        panel = figure.add_subplot(grid[0, 2 * index : 2 * index + 2])
        shaded = image and index == 0
        if shaded:
            _shade(panel, cloud, weights)
        else:
            _draw(panel, cloud, _marker(len(cloud), weights if image else None, upper - lower))
        panel.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
        outside = int((~((cloud >= lower) & (cloud <= upper)).all(1)).sum())
        left_out = f", {POINTS:,} drawn" * (len(cloud) > POINTS and not shaded) + f", {outside:,} outside" * (
            outside > 0
        )
        panel.set_title(f"{name}, {len(cloud):,} points{left_out}", fontsize=10)
        if image:
            panel.invert_yaxis()
    seconds, losses, distances = np.array(history, dtype=np.float64).reshape(-1, 3).T
    _curve(figure.add_subplot(grid[1, :3]), seconds, losses, "loss")
    held = figure.add_subplot(grid[1, 3:])
    _curve(held, seconds, distances, "held-out sliced W₂")
    if len(distances) and np.isnan(distances).all():
        held.text(0.5, 0.5, "nothing was held out", transform=held.transAxes, ha="center", va="center", color="0.5")
    if reference is not None:
        held.axhline(reference, color="0.5", linestyle="--", linewidth=1.0, label="independent sample, as many points")
        held.legend(fontsize=8, frameon=False)
    return figure


def _planar(cloud: ArrayLike) -> Array:
    """Return the first two axes, ``(N, 2)``; points on a line lie at height 0."""
    points = np.asarray(cloud, dtype=np.float64)[:, :2]
    return points if points.shape[1] == 2 else np.column_stack([points[:, 0], np.zeros(len(points))])


def _draw(panel: Axes, points: Array, size: float) -> None:
    chosen = slice(None) if len(points) <= POINTS else np.linspace(0, len(points) - 1, POINTS).astype(int)
    drawn = points[chosen]
    panel.scatter(drawn[:, 0], drawn[:, 1], s=size, color="black", linewidths=0, rasterized=True)
    style_axes(panel, open=False)


def _shade(panel: Axes, pixels: Array, weights: Array | None) -> None:
    """Draw pixels as an image of their mass, black for the largest."""
    columns, rows = (np.unique(axis, return_inverse=True) for axis in pixels.T)
    shades = np.zeros((len(rows[0]), len(columns[0])))
    shades[rows[1], columns[1]] = 1.0 if weights is None else weights
    half = [0.5 * (axis[0][-1] - axis[0][0]) / max(len(axis[0]) - 1, 1) for axis in (columns, rows)]
    left, right = columns[0][0] - half[0], columns[0][-1] + half[0]
    top, bottom = rows[0][0] - half[1], rows[0][-1] + half[1]
    panel.imshow(shades, cmap="Greys", extent=(left, right, bottom, top), interpolation="antialiased")
    style_axes(panel, open=False)


def _marker(count: int, weights: Array | None, extent: Array) -> float:
    """Return the area of a dot [square points]; dots for an image cover as much as its mass."""
    if weights is None:
        return float(np.clip(_INK / max(count, 1), 0.15, 12.0))
    scale = _PANEL * 72.0 / float(extent[0])
    return 4.0 / np.pi * float(weights.sum()) / count * scale**2


def _curve(panel: Axes, seconds: Array, values: Array, name: str) -> None:
    panel.plot(seconds, values, color="black", linewidth=1.2, marker="o", markersize=3)
    positive = values[np.isfinite(values)] > 0
    if len(positive) and positive.all():
        panel.set_yscale("log")
    panel.set(xlabel="seconds", ylabel=name)
    panel.set_xlim(left=0.0)
    style_axes(panel)
