"""The box of a domain."""

import numpy as np
import pytest

import interflow as fl
from interflow.views.domain import corners

INF = np.inf


@pytest.mark.parametrize(
    ("boundary", "lower", "upper"),
    [
        (fl.OpenBoundary(), [-INF, -INF], [INF, INF]),
        (fl.PeriodicBoundary(2.0, lower=-1.0), [-1, -1], [1, 1]),
        (fl.ReflectingBoundary(0.0, 3.0), [0, 0], [3, 3]),
        (fl.ProductBoundary([fl.PeriodicBoundary(2.0), fl.OpenBoundary()]), [0, -INF], [2, INF]),
    ],
    ids=["open", "periodic", "reflecting", "product"],
)
def test_corners_are_those_of_the_domain(boundary, lower, upper):
    np.testing.assert_array_equal(corners(boundary, 2), (lower, upper))
