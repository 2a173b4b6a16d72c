"""The box that a domain is drawn in."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from interflow.boundaries import Boundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary

Corners = tuple[NDArray[np.float64], NDArray[np.float64]]


@singledispatch
def corners(boundary: Boundary, dimension: int) -> Corners:
    """Lower and upper corner of a domain, each ``(d,)``; infinite where it has no end.

    Example:
        >>> corners(PeriodicBoundary(2.0, lower=-1.0), 1)
        (array([-1.]), array([1.]))
    """
    return np.full(dimension, -np.inf), np.full(dimension, np.inf)


@corners.register
def _periodic(boundary: PeriodicBoundary, dimension: int) -> Corners:
    return _full(boundary.lower, dimension), _full(boundary.lower + boundary.lengths, dimension)


@corners.register
def _reflecting(boundary: ReflectingBoundary, dimension: int) -> Corners:
    return _full(boundary.lower, dimension), _full(boundary.upper, dimension)


@corners.register
def _product(boundary: ProductBoundary, dimension: int) -> Corners:
    lower, upper = zip(*(corners(axis, 1) for axis in boundary.axes), strict=True)
    return np.concatenate(lower), np.concatenate(upper)


def _full(value: Tensor, dimension: int) -> NDArray[np.float64]:
    return np.broadcast_to(value.detach().cpu().numpy(), (dimension,)).astype(np.float64)
