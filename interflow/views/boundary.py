"""Boundaries as curves: `wrap` and the displacement along each axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.views.picture import NAMES, Array, NotebookFigure, style_axes, to_numpy

_SAMPLES: Final = 3001
_AROUND: Final = 1.5  # lengths of the domain to either side of its lower corner


def boundary_curves(boundary: Boundary, *, dimension: int = 1, length: float = 1.0, title: str = "") -> NotebookFigure:
    """``wrap(x)`` and the displacement ``δ(x, lower)`` from the lower corner, over a coordinate x; a panel an axis.

    They are drawn over one and a half lengths of the domain to either side of its lower corner. Axes that are alike
    share a panel.

    Args:
        boundary: the domain.
        dimension: its number of axes.
        length: what is drawn of an axis without end, about 0.
        title: first line of the picture.

    Raises:
        ArgumentError: if the domain has not so many axes.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> [panel.get_title() for panel in boundary_curves(PeriodicBoundary(1.0), dimension=2).axes]
        ['axes x, y']
    """
    boundary.check_dimension(dimension)
    alike: dict[tuple[bytes, ...], list[int]] = {}
    for axis in range(dimension):
        alike.setdefault(tuple(curve.tobytes() for curve in curves(boundary, dimension, axis, length)), []).append(axis)
    picture = NotebookFigure(4.6 * min(len(alike), 2), 3.8 * -(-len(alike) // 2) + 0.3, title)
    columns = min(len(alike), 2)
    for index, axes in enumerate(alike.values()):
        panel = picture.add_subplot(-(-len(alike) // columns), columns, index + 1)
        x, wrapped, displaced = curves(boundary, dimension, axes[0], length)
        extent = boundary.extent(dimension)
        ends = extent.lower[axes[0]].item(), extent.upper[axes[0]].item()
        if np.isfinite(ends).all():
            panel.axvspan(*ends, color="0.94", zorder=0, label="the domain")
        panel.plot(x, _broken(wrapped), color="C0", linewidth=1.6, label="wrap(x)")
        origin = float(_corner(boundary, dimension)[axes[0]])
        panel.plot(x, _broken(displaced), color="C3", linewidth=1.4, linestyle="--", label=f"δ(x, {origin:.15g})")
        names = ", ".join(NAMES[axis] if dimension <= len(NAMES) else str(axis + 1) for axis in axes)
        panel.set_title(f"{'axis' if len(axes) == 1 else 'axes'} {names}", fontsize=9)
        panel.set(xlabel="coordinate x", xlim=(x[0], x[-1]))
        panel.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
        style_axes(panel)
    return picture


def curves(boundary: Boundary, dimension: int, axis: int, length: float) -> tuple[Array, Array, Array]:
    """Return coordinates x along an axis, ``wrap(x)`` and the displacement to the lower corner on that axis."""
    extent, corner = boundary.extent(dimension), _corner(boundary, dimension)
    side = float(extent.upper[axis] - extent.lower[axis])
    reach = _AROUND * (side if np.isfinite(side) else length)
    points = corner.repeat(_SAMPLES, 1)
    points[:, axis] += torch.linspace(-reach, reach, _SAMPLES, dtype=torch.float64)
    found: list[Callable[[Tensor], Tensor]] = [boundary.wrap, lambda x: boundary.displacement(x, corner)]
    wrapped, displaced = (to_numpy(function(points)[:, axis]) for function in found)
    return to_numpy(points[:, axis]), wrapped, displaced


def _corner(boundary: Boundary, dimension: int) -> Tensor:
    """Return the lower corner ``(d,)``, 0 along open axes."""
    lower = boundary.extent(dimension).lower
    return torch.where(lower.isfinite(), lower, 0.0)


def _broken(curve: Array) -> Array:
    """Return a curve with NaN at each jump, which leaves a gap."""
    steps = np.abs(np.diff(curve))
    jumps = np.flatnonzero(steps > 20.0 * np.median(steps) + 1e-12 * np.abs(curve).max())
    broken = curve.copy()
    broken[jumps] = np.nan
    return broken
