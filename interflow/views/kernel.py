"""Kernels as curves: the profile k along one axis, and its force −dk/dr."""

from __future__ import annotations

import textwrap
from typing import Final

import numpy as np
import torch

from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.views.clouds import Array, array
from interflow.views.picture import Picture, plain, quiet

_SAMPLES: Final = 1001
_NAME: Final = 400  # letters of a kernel, four lines
_NEGLIGIBLE: Final = 0.01  # of its greatest change, what is left of a kernel where the curve may end
_BEYOND: Final = 1.25  # how much further it goes on
_NEAR: Final = 0.15  # part of the curve near a singularity that does not set the height of the picture
_DEPTHS: Final = 2.5  # how high a repulsive core is drawn, in depths of the well beside it


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
        span: the largest distance; by default half a period of the first axis, or 1, and less where nothing is left
            of a kernel.
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
        for panel, curve, name in zip(row.subplots(1, 2), (values, forces), ("kernel k", "force −dk/dr"), strict=True):
            panel.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
            panel.plot(distances, curve, color="black", linewidth=1.4)
            panel.set(xlabel="distance r", ylabel=name, xlim=(0.0, distances[-1]), ylim=_height(curve, singular))
            panel.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
            quiet(panel)
    return picture


def curves(kernel: Kernel, boundary: Boundary, dimension: int, span: float | None) -> tuple[Array, Array, Array]:
    """Distances r > 0, the kernel there, and the force −dk/dr, each of the same length."""
    if span is None:
        half = float(boundary.periods(dimension)[0]) / 2
        span = half if np.isfinite(half) else 1.0
        distances = _distances(span)
        change = np.abs(array(_along(kernel, boundary, dimension, distances)))
        span = _shortened(array(distances), change)
    distances = _distances(span).requires_grad_()
    values = _along(kernel, boundary, dimension, distances)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    return array(distances), array(values), -array(slopes)


def _distances(span: float) -> torch.Tensor:
    return torch.linspace(0.0, span, _SAMPLES, dtype=torch.float64)[1:]


def _along(kernel: Kernel, boundary: Boundary, dimension: int, distances: torch.Tensor) -> torch.Tensor:
    """k at displacements along the first axis."""
    across = [torch.zeros_like(distances)] * (dimension - 1)
    return kernel.evaluate_on(boundary, (distances, *across))


def _shortened(distances: Array, change: Array) -> float:
    """Where a curve may end: a little beyond the last distance at which it is not negligible."""
    finite = np.isfinite(change)
    if not finite.any():
        return float(distances[-1])
    left = np.abs(change - change[-1])
    matters = distances[finite & (left > _NEGLIGIBLE * left[finite].max())]
    return min(float(distances[-1]), _BEYOND * float(matters.max(initial=0.0)) or float(distances[-1]))


def _height(curve: Array, singular: bool) -> tuple[float, float]:
    """The lowest and the highest value that are drawn: all of them, but for the rise to a singularity."""
    drawn = curve[int(_NEAR * len(curve)) if singular else 0 :]
    drawn = drawn[np.isfinite(drawn)]
    low, high = (float(drawn.min()), float(drawn.max())) if len(drawn) else (0.0, 1.0)
    if singular and low < 0.0 < high:
        low, high = max(low, -_DEPTHS * high), min(high, -_DEPTHS * low)
    margin = 0.06 * ((high - low) or 1.0)
    return min(low, 0.0) - margin, max(high, 0.0) + margin
