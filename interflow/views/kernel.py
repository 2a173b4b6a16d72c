"""Kernels as curves: the profile k along one axis, and its force −dk/dr."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.views.clouds import Array, array
from interflow.views.picture import Picture, plain, quiet
from interflow.views.ranges import range_of

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
) -> Picture:
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
    picture = Picture(9.0, 3.0 * len(kernels) + 0.4, title)
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
            quiet(panel)
    return picture


def curves(kernel: Kernel, boundary: Boundary, dimension: int, span: float | None) -> tuple[Array, Array, Array]:
    """Distances r > 0, the kernel there, and the force −dk/dr, each of the same length."""

    def along(distances: torch.Tensor) -> torch.Tensor:
        """k at displacements along the first axis."""
        across = [torch.zeros_like(distances)] * (dimension - 1)
        return kernel.evaluate_on(boundary, (distances, *across))

    distances = _distances(along, kernel, boundary, dimension) if span is None else _evenly(span)
    distances.requires_grad_()
    values = along(distances)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    return array(distances), array(values), -array(slopes)


def _distances(
    along: Callable[[torch.Tensor], torch.Tensor], kernel: Kernel, boundary: Boundary, dimension: int
) -> torch.Tensor:
    """Those that show a kernel: evenly spread, or where it has lengths of very different size, their logarithms."""
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
    """The lowest and the highest value that are drawn: all, but for a core beside which a well would not be seen."""
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
