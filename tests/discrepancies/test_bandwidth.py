"""The median distance: what it is, in which domain, and of how many points."""

import math

import pytest
import torch

from interflow import ArgumentError, PeriodicBoundary, median_distance
from interflow.discrepancies.squares import squared_distances
from tests.discrepancies.clouds import cloud


def test_it_is_the_median_of_all_distances_between_different_points():
    x = cloud(9, dimension=3)
    assert median_distance(x) == pytest.approx(torch.pdist(x).median().item(), rel=1e-12)


def test_it_scales_and_does_not_move_with_the_cloud():
    x = cloud(20, dimension=5, dtype=torch.float32)
    assert median_distance(3.0 * x) == pytest.approx(3.0 * median_distance(x), rel=1e-6)
    assert median_distance(x + 64.0) == pytest.approx(median_distance(x), rel=1e-4)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_distances_of_many_coordinates_are_right_to_round_off_where_points_nearly_coincide(shift):
    x = cloud(30, dimension=200) + shift
    x = torch.cat([x, x[:5], x[:5] + 1e-3, x[:1] + 1e6])
    exact = (x[:, None] - x[None]).square().sum(-1)
    torch.testing.assert_close(squared_distances(x, x), exact, rtol=1e-11, atol=0.0)


def test_it_sees_the_domain():
    x = torch.tensor([[0.05], [0.95]])
    assert median_distance(x) == pytest.approx(0.9)
    assert median_distance(x, boundary=PeriodicBoundary(1.0)) == pytest.approx(0.1)


def test_of_many_points_it_draws_some_by_its_seed():
    x = torch.randn(5000, 4000, generator=torch.Generator().manual_seed(0))
    drawn = median_distance(x, most=60)
    assert drawn == median_distance(x, most=60)
    assert drawn == pytest.approx(math.sqrt(2 * 4000), rel=0.02)
    assert drawn != median_distance(x, most=60, seed=1)


def test_what_has_no_median_is_refused():
    with pytest.raises(ArgumentError, match=r"`points`.*at least 2"):
        median_distance(cloud(1))
    with pytest.raises(ArgumentError, match="points that differ"):
        median_distance(torch.zeros(4, 2))
    with pytest.raises(ArgumentError, match="`most`"):
        median_distance(cloud(5), most=1)
