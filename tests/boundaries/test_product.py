from __future__ import annotations

import pytest
import torch

from interflow.boundaries import OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary
from interflow.errors import ArgumentError
from interflow.parameters import hyperparameters, substitute
from tests.boundaries.cases import scattered


def test_product_of_equal_axes_is_the_boundary_of_several() -> None:
    x, y = scattered(50, seed=0), scattered(50, seed=1)
    for one, two in (
        (PeriodicBoundary(0.7, lower=0.1), PeriodicBoundary(torch.full((2,), 0.7, dtype=torch.float64), lower=0.1)),
        (ReflectingBoundary(-1.0, 1.0), ReflectingBoundary(-1.0, torch.ones(2))),
        (OpenBoundary(), OpenBoundary()),
    ):
        product = ProductBoundary([one, one])
        torch.testing.assert_close(product.displacement(x, y), two.displacement(x, y), rtol=0, atol=0)
        torch.testing.assert_close(product.reflect(x, y), two.reflect(x, y), rtol=0, atol=0)
        same = substitute(product, hyperparameters(product))
        assert torch.equal(same.displacement(x, y), product.displacement(x, y))


def test_each_axis_has_its_own_rule() -> None:
    channel = ProductBoundary([PeriodicBoundary(1.0), ReflectingBoundary(0.0, 2.0), OpenBoundary()])
    position, velocity = channel.reflect(torch.tensor([[1.25, 2.25, 7.0]]), torch.ones(1, 3))
    assert position.tolist() == [[0.25, 1.75, 7.0]]
    assert velocity.tolist() == [[1.0, -1.0, 1.0]]
    assert channel.periods(3).tolist() == [1.0, float("inf"), float("inf")]


def test_half_period_is_that_of_the_shortest_periodic_axis() -> None:
    assert ProductBoundary([PeriodicBoundary(3.0), OpenBoundary(), PeriodicBoundary(2.0)]).half_period() == 1.0
    assert ProductBoundary([OpenBoundary()]).half_period() is None


def test_other_dimensions_are_refused() -> None:
    channel = ProductBoundary([PeriodicBoundary(1.0), OpenBoundary()])
    channel.check_dimension(2)
    for call in (lambda x: channel.wrap(x), lambda x: channel.displacement(x, x), lambda x: channel.reflect(x, x)):
        with pytest.raises(ArgumentError, match="`positions`: got 3 coordinates a point, wanted 2"):
            call(torch.zeros(4, 3))


@pytest.mark.parametrize(
    ("axes", "argument"),
    [([], "axes"), ([1.0], r"axes\[0\]"), ([OpenBoundary(), PeriodicBoundary(torch.ones(2))], r"axes\[1\]")],
)
def test_axes_must_be_boundaries_of_one_axis(axes, argument: str) -> None:
    with pytest.raises(ArgumentError, match=f"`{argument}`"):
        ProductBoundary(axes)
