"""The torus on which a domain's sums are series.

On a torus with nearest images the series, which has all images, differs by ``Σ k(δ + nL)`` over ``n ≠ 0``. An open axis
on which displacements reach up to E becomes a circle of period ``L = max(E + R, 2R)``: each image ``δ + nL`` is at
least as far away as the image ``δ' + 2Rn`` of some ``|δ'| ≤ R``, so that a bound for nearest images on a circle of
period 2R holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.series.demands import Demand, UnsuitableError

Box = tuple[tuple[float, ...], tuple[float, ...]]
"""The lower and the upper corner of what holds all points."""


@dataclass(frozen=True)
class Torus:
    """Periods, and a point from which positions are measured, so that phases keep their digits."""

    lengths: tuple[float, ...]
    origin: tuple[float, ...]


def torus_of(
    kernel: Kernel, boundary: Boundary, dimension: int, box: Callable[[], Box], demands: Sequence[Demand]
) -> Torus:
    """The torus whose further images change no more than their share of what is allowed.

    Args:
        kernel: the kernel.
        boundary: the domain.
        dimension: number of its axes.
        box: gives the corners of the box that holds all points; called if an axis is open.
        demands: the errors that are allowed.

    Raises:
        UnsuitableError: if there is none.
    """
    if not boundary.straight:
        raise UnsuitableError(
            f"displacements of {type(boundary).__name__} are not known to be x − y up to whole periods"
        )
    periods = tuple(boundary.periods(dimension).tolist())
    origin = tuple(boundary.wrap(torch.zeros(dimension, dtype=torch.float64)).tolist())
    if all(map(math.isfinite, periods)):
        if not _has_all_images(boundary, dimension):
            _check_nearest_images(kernel, periods, demands)
        return Torus(periods, origin)
    lower, upper = box()
    extents = [high - low for low, high in zip(lower, upper, strict=True)]
    reach = _reach(kernel, periods, max(extents), demands)
    padded = (max(extent + reach, 2.0 * reach) for extent in extents)
    centre = (0.5 * low + 0.5 * high for low, high in zip(lower, upper, strict=True))
    open_axes = [math.isinf(period) for period in periods]
    return Torus(
        tuple(pad if is_open else period for pad, period, is_open in zip(padded, periods, open_axes, strict=True)),
        tuple(mid if is_open else point for mid, point, is_open in zip(centre, origin, open_axes, strict=True)),
    )


def _has_all_images(boundary: Boundary, dimension: int) -> bool:
    images = boundary.image_periods(dimension)
    return images is not None and bool(images.isfinite().all())


def _check_nearest_images(kernel: Kernel, lengths: tuple[float, ...], demands: Sequence[Demand]) -> None:
    for demand in demands:
        gap = kernel.image_tail(lengths, 0, demand.order)
        if gap > demand.share:
            raise UnsuitableError(
                f"images beyond the nearest may change {demand.name} by {gap:.1e}·Σ|w|, more than the "
                f"{demand.share:.1e} that the tolerance leaves for it; "
                'PeriodicBoundary(..., images="all") counts them in'
            )


def _reach(kernel: Kernel, periods: tuple[float, ...], start: float, demands: Sequence[Demand]) -> float:
    """A distance R, within a twentieth of the least, that the images on open axes must keep."""

    def far(reach: float) -> bool:
        lengths = tuple(2.0 * reach if math.isinf(period) else period for period in periods)
        return all(kernel.image_tail(lengths, 0, demand.order) <= demand.share for demand in demands)

    if not math.isfinite(start):
        raise UnsuitableError("the positions are not finite")
    high = start or 1.0
    doublings = 0
    while not far(high):
        high *= 2.0
        doublings += 1
        if doublings > _MOST_DOUBLINGS:
            raise UnsuitableError("no bound is known of how the kernel fades, which an open axis needs")
    low = 0.5 * high
    while doublings < _MOST_DOUBLINGS and far(low):
        low, high = 0.5 * low, low
        doublings += 1
    while high > 1.05 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if far(middle) else (middle, high)
    return high


_MOST_DOUBLINGS = 60
