"""Kernels and boundaries as curves.

Where a kernel varies: the distances over which a curve shows its minimum, its zero and its decay.

Over s = log r a law without a length of its own, such as −r, 1/r or −log r, has a slope dk/ds that is a power of r. A
kernel has lengths where the exponent of that power changes, ``|d² log|dk/ds| / ds²| > 0.1``: they are found on a grid
of distances, whatever its parameters mean.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.views.picture import NAMES, Array, NotebookFigure, plain, style_axes, to_numpy

_DECADES: Final = (-12, 12)  # of the distances that are tried
_IN_A_DECADE: Final = 100
_BEND: Final = 0.1  # change of the exponent, a factor of e of the distance, from which on it counts
_LEFT: Final = 0.01  # part of its variation that may be left of a kernel where the curve ends
_BEYOND: Final = 1.25  # how much further it goes on
_NOISE: Final = 1e-12  # of the kernel, a slope that is rounding
_WAVES: Final = 12  # turning points of a kernel that has no end
_CUTOFF: Final = 4.0  # how much further a curve without a well may go, to show where it is cut off
_SHOWN: Final = 0.25  # part of the variation after which the first feature is passed


@final
@dataclass(frozen=True)
class Range:
    """Smallest and largest distance of a curve."""

    end: float
    first: float


def range_of(k: Callable[[Tensor], Tensor], *, longest: float, cutoffs: list[float], singular: bool) -> Range:
    """The range of distances over which a kernel varies.

    Args:
        k: the kernel of distances, elementwise.
        longest: the largest distance there is, or ∞.
        cutoffs: distances from which parts of it are 0.
        singular: whether it has no value at 0.
    """
    r, values, slopes = _sampled(k, longest)
    if len(r) < 3:
        return Range(min(longest, 1.0), min(longest, 1.0))
    after = np.append(np.cumsum(np.abs(np.diff(values))[::-1])[::-1], 0.0)  # variation from each distance on
    counts = np.abs(slopes) > _NOISE * np.abs(values)
    turns = _changes(np.where(counts, np.sign(slopes), 0.0))
    if len(turns) > _WAVES:
        return Range(min(float(r[turns[1]]), longest), float(r[turns[0]]))
    bends = _bends(r, slopes, counts)
    zeros = _changes(np.sign(values))
    zeros = zeros[counts[zeros]]
    end, settles = 1.0 if np.isinf(longest) else longest, False
    if len(bends):
        start = turns[0] if len(turns) else bends[0] if singular else 0
        settled = np.flatnonzero(after > _LEFT * after[start]).max(initial=0)
        end, settles = _BEYOND * float(r[min(settled, bends[-1])]), settled < len(r) - _IN_A_DECADE
    if not settles and np.isinf(longest) and len(zeros):
        end = max(end, _BEYOND * float(r[zeros[-1]]))
    near = [_BEYOND * cutoff for cutoff in cutoffs if cutoff <= _CUTOFF * end and not len(turns)]
    end = min(longest, max([end, *near]))
    shown = after[0] - after > _SHOWN * (after[0] - after[np.searchsorted(r, end, side="right") - 1])
    seen = [end, *r[turns[:1]], *r[zeros[:1]], *([] if singular or len(turns) else r[shown][:1])]
    return Range(end, float(min(seen)))


def _sampled(k: Callable[[Tensor], Tensor], longest: float) -> tuple[Array, Array, Array]:
    """Return distances r, the kernel and dk/d(log r), wherever they are finite."""
    low, high = _DECADES
    grid = np.logspace(low, high, (high - low) * _IN_A_DECADE + 1)
    distances = torch.as_tensor(np.append(grid[grid < longest], longest if np.isfinite(longest) else []))
    distances.requires_grad_()
    values = k(distances)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    r, found, steep = to_numpy(distances), to_numpy(values), to_numpy(distances * slopes)
    finite = np.isfinite(found) & np.isfinite(steep)
    return r[finite], found[finite], steep[finite]


def _bends(r: Array, slopes: Array, counts: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the distances at which the exponent of the derivative changes, and the end of the kernel's support."""
    steps = np.diff(np.log(r))
    logarithms = np.log(np.abs(np.where(counts, slopes, 1.0)))
    exponents = np.diff(logarithms) / steps
    whole = counts[:-2] & counts[1:-1] & counts[2:]
    bent = np.flatnonzero(whole & (np.abs(np.diff(exponents) / steps[1:]) > _BEND)) + 1
    last = np.flatnonzero(counts)[-1:]
    return np.union1d(bent, last[last < len(r) - 1])


def _changes(signs: Array) -> NDArray[np.intp]:
    """Return the indices of sign changes, ignoring zeros."""
    some = np.flatnonzero(signs)
    return np.asarray(some[1:][np.diff(signs[some]) != 0.0])


_SAMPLES: Final = 1001
_NAME: Final = 400  # letters of a kernel, four lines
_WIDE: Final = 100.0  # times the first feature, an end from which on the axis is logarithmic
_NEAR: Final = 0.15  # part of the curve near a singularity that does not set the height of the picture
_DEPTHS: Final = 2.5  # how high a core is drawn, in depths of the well beside it
_HIGH: Final = 20.0  # depths of a well, a core in whose whole height it would not be seen
_STEEP: Final = 30.0  # how high a rise to a singularity is drawn, in what is left of it towards the end of the curve
_FLAT: Final = 1e-6  # of the curve near the core, a depth that is no well


def kernel_profiles(
    *kernels: Kernel, boundary: Boundary | None = None, dimension: int = 2, span: float | None = None, title: str = ""
) -> NotebookFigure:
    """Each kernel over the distance r of two points along the first axis, and beside it the force −dk/dr.

    Two points of unit mass that descend the energy ``k`` push each other apart where the force is positive, and pull
    each other where it is negative. Where a domain counts all images of a point, so do the curves.

    Args:
        kernels: at least one.
        boundary: the domain; None for open space.
        dimension: its number of axes.
        span: the largest distance; by default where nothing is left of a kernel, or its lengths are passed, but half
            a period of the first axis at most. A kernel without a length of its own, such as −r, is drawn to 1, or
            to that half. The axis is logarithmic where a kernel has lengths of very different size.
        title: first line of the picture.

    Raises:
        ArgumentError: without a kernel, or for a span that is not positive.

    Example:
        >>> from interflow import GaussianKernel
        >>> picture = kernel_profiles(GaussianKernel(sigma=0.1))
        >>> [panel.get_ylabel() for panel in picture.axes]
        ['kernel k', 'force −dk/dr']
    """
    if not kernels:
        raise ArgumentError("kernels", came="none", wanted="at least one")
    if span is not None and not span > 0.0:
        raise ArgumentError("span", came=span, wanted="a positive number")
    boundary = OpenBoundary() if boundary is None else boundary
    boundary.check_dimension(dimension)
    for kernel in kernels:
        kernel.check_domain(boundary, dimension)
    picture = NotebookFigure(9.0, 3.0 * len(kernels) + 0.4, title)
    rows = picture.subfigures(len(kernels), 1, squeeze=False)[:, 0]
    for row, kernel in zip(rows, kernels, strict=True):
        distances, values, forces = curves(kernel, boundary, dimension, span)
        row.suptitle(textwrap.fill(plain(repr(kernel), _NAME), 100), fontsize=9, parse_math=False)
        singular = kernel.at_zero(dimension, boundary) is None
        wide = distances[1] < 1.5 * distances[0]  # unlike the first two of distances that are evenly spread from 0
        for panel, curve, name in zip(row.subplots(1, 2), (values, forces), ("kernel k", "force −dk/dr"), strict=True):
            panel.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
            panel.plot(distances, curve, color="black", linewidth=1.4)
            panel.set(xlabel="distance r", ylabel=name, ylim=_height(curve, singular))
            panel.ticklabel_format(axis="both", style="sci", scilimits=(-3, 4), useMathText=True)
            if wide:
                panel.set_xscale("log")
            panel.set_xlim(distances[0] if wide else 0.0, distances[-1])
            style_axes(panel)
    return picture


def curves(kernel: Kernel, boundary: Boundary, dimension: int, span: float | None) -> tuple[Array, Array, Array]:
    """Return distances r > 0, the kernel and the force −dk/dr, each of the same length."""

    def along(distances: torch.Tensor) -> torch.Tensor:
        """Return k at displacements along the first axis."""
        across = [torch.zeros_like(distances)] * (dimension - 1)
        return kernel.evaluate_on(boundary, (distances, *across))

    distances = _distances(along, kernel, boundary, dimension) if span is None else _evenly(span)
    distances.requires_grad_()
    values = along(distances)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    return to_numpy(distances), to_numpy(values), -to_numpy(slopes)


def _distances(
    along: Callable[[torch.Tensor], torch.Tensor], kernel: Kernel, boundary: Boundary, dimension: int
) -> torch.Tensor:
    """Return distances spread evenly, or for lengths of very different size evenly in their logarithms."""
    found_cutoffs = [getattr(part, "cutoff", None) for part in kernel.modules()]
    cutoffs = [cutoff.item() for cutoff in found_cutoffs if cutoff is not None]
    longest = float(boundary.periods(dimension)[0]) / 2
    singular = kernel.at_zero(dimension, boundary) is None
    found = range_of(along, longest=longest, cutoffs=cutoffs, singular=singular)
    if found.end < _WIDE * found.first:
        return _evenly(found.end)
    return torch.as_tensor(np.geomspace(found.first / 10.0, found.end, _SAMPLES - 1))


def _evenly(span: float) -> torch.Tensor:
    return torch.linspace(0.0, span, _SAMPLES, dtype=torch.float64)[1:]


def _height(curve: Array, singular: bool) -> tuple[float, float]:
    """Return the limits of the drawn values; a core beside which a well would vanish is cut."""
    drawn = curve[np.isfinite(curve)]
    outside = curve[int(_NEAR * len(curve)) :]
    outside = outside[np.isfinite(outside)]
    if not len(outside):
        return -0.06, 1.06
    steps = np.sign(np.diff(drawn))
    some = np.flatnonzero(steps)
    turns = some[1:][np.diff(steps[some]) != 0.0]
    low, high = float(drawn.min()), float(drawn.max())
    if singular:
        end = float(outside[-1])
        most = _STEEP * abs(float(outside[int(0.65 * len(outside))]) - end) or np.inf
        low, high = max(float(outside.min()), end - most), min(float(outside.max()), end + most)
    if len(turns):
        beyond = drawn[turns[0] :]
        depth = float(np.ptp(beyond))
        if depth > _FLAT * float(np.abs(outside[0])) and (singular or np.ptp(drawn) > _HIGH * depth):
            low = max(float(drawn.min()), float(beyond.min()) - _DEPTHS * depth)
            high = min(float(drawn.max()), float(beyond.max()) + _DEPTHS * depth)
    margin = 0.06 * ((high - low) or 1.0)
    return min(low, 0.0) - margin, max(high, 0.0) + margin


_BOUNDARY_SAMPLES: Final = 3001
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
        drawn = tuple(curve.tobytes() for curve in _axis_curves(boundary, dimension, axis, length))
        alike.setdefault(drawn, []).append(axis)
    picture = NotebookFigure(4.6 * min(len(alike), 2), 3.8 * -(-len(alike) // 2) + 0.3, title)
    columns = min(len(alike), 2)
    for index, axes in enumerate(alike.values()):
        panel = picture.add_subplot(-(-len(alike) // columns), columns, index + 1)
        x, wrapped, displaced = _axis_curves(boundary, dimension, axes[0], length)
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


def _axis_curves(boundary: Boundary, dimension: int, axis: int, length: float) -> tuple[Array, Array, Array]:
    """Return coordinates x along an axis, ``wrap(x)`` and the displacement to the lower corner on that axis."""
    extent, corner = boundary.extent(dimension), _corner(boundary, dimension)
    side = float(extent.upper[axis] - extent.lower[axis])
    reach = _AROUND * (side if np.isfinite(side) else length)
    points = corner.repeat(_BOUNDARY_SAMPLES, 1)
    points[:, axis] += torch.linspace(-reach, reach, _BOUNDARY_SAMPLES, dtype=torch.float64)
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
