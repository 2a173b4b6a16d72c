"""A point that is far away costs the others no digits: padding of weight 0, and a place that is merely evaluated."""

import pytest
import torch

from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.discrepancies import SlicedWasserstein
from interflow.kernels import DistanceKernel
from interflow.sums import potential, potential_and_field, quadratic
from interflow.sums.backends.sorted import Sorted
from tests.sums import reference
from tests.sums.cases import excess, signed_weights
from tests.sums.sorted.cases import DECAYING, KERNELS, clouds

every_distance = pytest.mark.parametrize("far", [-1e16, -1e12, -1e8, 1e8, 1e12, 1e16])


def check(kernel, x, y, weights, boundary, seen):
    """The sums at the first ``seen`` rows are those of all pairs."""
    with torch.no_grad():
        u, f = potential_and_field(kernel, x, y, weights, boundary=boundary, backend=Sorted())
        pairs = reference.pairs(kernel, x[:seen], y, boundary)
    near = pairs.values.abs()[:, : len(y) - 1]  # the far point itself has weight 0, and counts for no scale
    assert excess(u[:seen], pairs.values @ weights, near, weights, torch.float64) < 1
    slopes = pairs.slopes.nan_to_num()
    assert excess(f[:seen], torch.einsum("ijd,j->id", slopes, weights), slopes, weights, torch.float64) < 1


@every_distance
@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
def test_far_padding_changes_no_sum(make, far):
    x, y = clouds("uniform")
    padded = torch.cat([y, torch.full((1, 1), far, dtype=torch.float64)])
    weights = torch.cat([signed_weights(len(y), seed=1), torch.zeros(1, dtype=torch.float64)])
    check(make(), x, padded, weights, OpenBoundary(), seen=len(x))


@every_distance
@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
def test_a_far_place_changes_no_sum_elsewhere(make, far):
    x, y = clouds("uniform")
    places = torch.cat([x, torch.full((1, 1), far, dtype=torch.float64)])
    check(make(), places, y, signed_weights(len(y), seed=1), OpenBoundary(), seen=len(x))


@every_distance
@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
def test_far_padding_changes_no_form_nor_its_gradient(make, far):
    x, _ = clouds("uniform")
    padded = torch.cat([x, torch.full((1, 1), far, dtype=torch.float64)])
    weights = torch.cat([signed_weights(len(x), seed=1), torch.zeros(1, dtype=torch.float64)])
    found, expected = ((points.clone().requires_grad_(), w) for points, w in ((padded, weights), (x, weights[:-1])))
    values = [quadratic(make(), points, w, backend=Sorted()) for points, w in (found, expected)]
    slopes = [
        torch.autograd.grad(v, points)[0][: len(x)] for v, (points, _) in zip(values, (found, expected), strict=True)
    ]
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-12, atol=1e-12)


@every_distance
@pytest.mark.parametrize("images", ["nearest", "all"])
@pytest.mark.parametrize("name", DECAYING)
def test_far_padding_changes_no_sum_on_the_circle(name, images, far):
    x, y = clouds("uniform")
    boundary, kernel = PeriodicBoundary(0.75, images=images), KERNELS[name]()
    weights = torch.cat([signed_weights(len(y), seed=1), torch.zeros(1, dtype=torch.float64)])
    padded = torch.cat([y, torch.full((1, 1), far, dtype=torch.float64)])
    with torch.no_grad():
        found = potential_and_field(kernel, x, padded, weights, boundary=boundary, backend=Sorted())
        expected = potential_and_field(kernel, x, y, weights[:-1], boundary=boundary, backend=Sorted())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@every_distance
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_padding_changes_no_sum_by_slices(far, dtype):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(count, 2, generator=generator, dtype=torch.float64).to(dtype) for count in (40, 53))
    weights = signed_weights(len(y), seed=1, dtype=dtype)
    padded = torch.cat([y, torch.full((1, 2), far, dtype=dtype)])
    padded_weights = torch.cat([weights, torch.zeros(1, dtype=dtype)])
    slices = Sorted(directions=16)
    found = potential_and_field(DistanceKernel(), x, padded, padded_weights, backend=slices)
    expected = potential_and_field(DistanceKernel(), x, y, weights, backend=slices)
    accuracy = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=accuracy, atol=accuracy)
    places = torch.cat([x, padded[-1:]])
    at_places = potential(DistanceKernel(), places, y, weights, backend=slices)
    torch.testing.assert_close(at_places[:-1], expected[0], rtol=accuracy, atol=accuracy)


@every_distance
def test_far_padding_changes_no_sliced_wasserstein_distance(far):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(40, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    padding, weights = torch.full((1, 2), far, dtype=torch.float64), torch.full((41,), 1 / 40, dtype=torch.float64)
    weights[-1] = 0.0
    padded = [torch.cat([points, padding]) for points in (x, y)]
    loss = SlicedWasserstein(projections=16)
    torch.testing.assert_close(loss(*padded, weights, weights), loss(x, y), rtol=1e-12, atol=0.0)
