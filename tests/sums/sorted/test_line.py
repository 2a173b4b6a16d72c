"""On the line and on the circle, sums over sorted points are those over all pairs, to round-off."""

import pytest
import torch

from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.kernels import DistanceKernel, LaplacianKernel, MaternKernel
from interflow.sums import field, potential, potential_and_field
from interflow.sums.backends.sorted import Sorted
from tests.sums import reference
from tests.sums.cases import excess, signed_weights
from tests.sums.sorted.cases import BOUNDARIES, CLOUDS, DECAYING, KERNELS, clouds

every_kernel = pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
every_boundary = pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=BOUNDARIES.keys())


@every_kernel
@every_boundary
@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_are_those_over_all_pairs(make, boundary, kind, dtype):
    kernel, (x, y) = make(), (points.to(dtype) for points in clouds(kind))
    weights = signed_weights(len(y), seed=1, dtype=dtype)
    with torch.no_grad():
        u, f = potential_and_field(kernel, x, y, weights, boundary=boundary, backend=Sorted())
        pairs = reference.pairs(kernel, x, y, boundary)
    assert u.dtype == f.dtype == dtype
    assert excess(u, pairs.values @ weights.double(), pairs.values, weights, dtype) < 1
    expected = torch.einsum("ijd,j->id", pairs.slopes.nan_to_num(), weights.double())
    if dtype == torch.float64 or boundary is BOUNDARIES["line"]:  # float32 pairs may fall on either side of L/2
        assert excess(f, expected, pairs.slopes.nan_to_num(), weights, dtype) < 1


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("length", [1.0, 2.5])
def test_all_images_are_those_of_a_direct_sum(name, kind, length):
    kernel, (x, y) = KERNELS[name](), clouds(kind)
    weights = signed_weights(len(y), seed=1)
    boundary = PeriodicBoundary(length, images="all")
    with torch.no_grad():
        u, f = potential_and_field(kernel, x, y, weights, boundary=boundary, backend=Sorted())
        nearest = x - y.T - length * ((x - y.T) / length).round()
        images = [nearest + shift * length for shift in range(-120, 121)]
        values = sum(kernel.evaluate((image,)) for image in images)
    torch.testing.assert_close(u, values @ weights, rtol=1e-11, atol=1e-11)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (
            potential(kernel, x + s, y, weights, boundary=boundary, backend=Sorted()) for s in (step, -step)
        )
    if kind not in ("duplicated", "clustered"):  # at a kink there is no difference quotient
        torch.testing.assert_close(f[:, 0], (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-4)


def test_points_at_exactly_half_a_period_count_once_with_the_sign_of_their_difference():
    x = torch.tensor([[0.0], [0.5], [0.25], [0.75]], dtype=torch.float64)
    torus = PeriodicBoundary(1.0)
    for kernel in (DistanceKernel(), LaplacianKernel(0.3), MaternKernel(0.3, 1.5)):
        both = potential_and_field(kernel, x, x, boundary=torus, backend=Sorted())
        expected = potential_and_field(kernel, x, x, boundary=torus, backend="dense")
        torch.testing.assert_close(both, expected, rtol=1e-13, atol=1e-14)


def test_narrow_and_wide_kernels_neither_overflow_nor_cancel():
    x, y = clouds("uniform")
    for sigma in (1e-9, 1e-3, 1e3, 1e9):
        for kernel in (LaplacianKernel(sigma), MaternKernel(sigma, 2.5)):
            u = potential(kernel, x, y, backend=Sorted())
            torch.testing.assert_close(u, reference.potential(kernel, x, y), rtol=1e-13, atol=1e-15)


@every_kernel
@every_boundary
def test_pairs_left_out_are_left_out_by_index(make, boundary):
    kernel = make()
    x, _ = clouds("uniform")
    y, weights = x + 0.3, signed_weights(40, seed=2)
    for columns in (x, y):
        with torch.no_grad():
            u, f = potential_and_field(
                kernel, x, columns, weights, boundary=boundary, self_pairs=False, backend=Sorted()
            )
            expected = potential_and_field(
                kernel, x, columns, weights, boundary=boundary, self_pairs=False, backend="dense"
            )
        torch.testing.assert_close((u, f), expected, rtol=1e-11, atol=1e-11)


@every_kernel
@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (0, 0), (1, 1), (1, 7)])
def test_few_points_are_ordinary(make, rows, columns):
    kernel = make()
    x, y = torch.rand(rows, 1, dtype=torch.float64), torch.rand(columns, 1, dtype=torch.float64)
    for boundary in BOUNDARIES.values():
        with torch.no_grad():
            both = potential_and_field(kernel, x, y, boundary=boundary, backend=Sorted())
            expected = potential_and_field(kernel, x, y, boundary=boundary, backend="dense")
        torch.testing.assert_close(both, expected, rtol=1e-12, atol=1e-14)


@every_kernel
def test_a_batch_is_its_clouds_one_by_one(make):
    kernel = make()
    pairs = [clouds("uniform", seed) for seed in range(3)]
    x, y = (torch.stack(points) for points in zip(*pairs, strict=True))
    with torch.no_grad():
        u, f = potential_and_field(kernel, x, y, backend=Sorted())
        for index, (a, b) in enumerate(pairs):
            expected = potential_and_field(kernel, a, b, backend=Sorted())
            torch.testing.assert_close((u[index], f[index]), expected, rtol=1e-13, atol=1e-15)


def test_strided_points_are_ordinary():
    x, y = clouds("uniform")
    strided = torch.stack([y, y + 1.0], -1)[..., 0].expand(53, 1)[::2]
    u = potential(DistanceKernel(), x, strided, backend=Sorted())
    torch.testing.assert_close(u, potential(DistanceKernel(), x, strided.contiguous(), backend="dense"))


def test_ranks_are_exact_above_what_float32_counts():
    count = 2**24 + 2**10
    y = torch.linspace(0.0, 1.0, count)[:, None]
    ends = torch.tensor([[-1.0], [0.5], [2.0]])
    slope = field(DistanceKernel(), ends, y, torch.ones(count), backend=Sorted())[:, 0]
    assert slope[[0, 2]].tolist() == [count, -count]
    assert abs(float(slope[1])) <= 2


def test_a_point_that_is_no_number_is_seen_in_every_sum():
    x, y = clouds("uniform")
    y[3] = torch.nan
    for kernel in (DistanceKernel(), LaplacianKernel(0.3)):
        assert bool(potential(kernel, x, y, backend=Sorted()).isnan().all())


def test_round_off_does_not_grow_with_the_number_of_points():
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(300_000, 1, generator=generator, dtype=torch.float64)
    x = y[:50]
    for kernel in (DistanceKernel(), LaplacianKernel(0.01), MaternKernel(1.0, 2.5)):
        both = potential_and_field(kernel, x, y, backend=Sorted())
        expected = potential_and_field(kernel, x, y, backend="dense")
        torch.testing.assert_close(both, expected, rtol=1e-12, atol=1e-13)


def test_a_wall_that_reflects_is_no_obstacle():
    from interflow.boundaries import ReflectingBoundary

    x, y = clouds("uniform")
    inside = potential(LaplacianKernel(0.3), x, y, boundary=ReflectingBoundary(0.0, 1.0), backend=Sorted())
    assert torch.equal(inside, potential(LaplacianKernel(0.3), x, y, boundary=OpenBoundary(), backend=Sorted()))
