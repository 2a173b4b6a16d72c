"""A squared discrepancy from one sort of both clouds, and its estimate by slices."""

import pytest
import scipy.stats
import torch

from interflow import DistanceKernel, LaplacianKernel, MaternKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance, sliced_energy_distance
from interflow.errors import ArgumentError
from interflow.sums import kernel_distance
from interflow.sums.backends.sorted import Sorted
from tests.discrepancies.clouds import cloud, masses

KERNELS = {
    "distance": DistanceKernel,
    "laplacian": lambda: LaplacianKernel(0.2, learnable=True),
    "sum": lambda: 2.0 * DistanceKernel() + MaternKernel(0.3, 2.5, learnable=True),
}


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
@pytest.mark.parametrize("boundary", [None, PeriodicBoundary(3.0)], ids=["line", "circle"])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_sort_has_the_value_and_two_derivatives_of_three_sums(make, boundary, weighted):
    kernel = make()
    x, y = cloud(dimension=1).requires_grad_(), cloud(9, dimension=1, seed=1).requires_grad_()
    a, b = (masses().requires_grad_(), masses(9, seed=1)) if weighted else (None, None)
    inputs = [x, y, *([a] if weighted else []), *kernel.parameters()]
    ours = kernel_distance(kernel, x, y, a, b, boundary=boundary, backend=Sorted())
    theirs = MMD(kernel, boundary=boundary, backend="dense")(x, y, a, b)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)
    firsts = [torch.autograd.grad(value, inputs, create_graph=True) for value in (ours, theirs)]
    torch.testing.assert_close(*firsts, rtol=1e-10, atol=1e-12)
    seconds = [
        torch.autograd.grad(sum(g.pow(2).sum() for g in first), inputs, allow_unused=True, materialize_grads=True)
        for first in firsts
    ]
    torch.testing.assert_close(*seconds, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("count", [1, 12, 3000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_clouds_are_at_zero_with_no_gradient(count, dtype):
    x = cloud(count, dimension=1, dtype=dtype).requires_grad_()
    value = kernel_distance(DistanceKernel(), x, x.detach().clone(), backend=Sorted())
    assert value.item() == 0.0
    assert torch.autograd.grad(value, x)[0].abs().max() <= 1e-15


def test_scipy_returns_its_square_root():
    x, y, a, b = cloud(500, dimension=1), cloud(300, dimension=1, seed=1), masses(500), masses(300, seed=1)
    value = kernel_distance(DistanceKernel(), x, y, a, b, backend=Sorted())
    expected = scipy.stats.energy_distance(x[:, 0].numpy(), y[:, 0].numpy(), a.numpy(), b.numpy())
    assert value.sqrt().item() == pytest.approx(expected, rel=1e-10)


def test_slices_of_a_batch_are_those_of_its_clouds():
    x, y = cloud(batch=(3,)), cloud(9, seed=1, batch=(3,))
    backend = Sorted(directions=16)
    value = kernel_distance(DistanceKernel(), x, y, backend=backend)
    single = [kernel_distance(DistanceKernel(), a, b, backend=backend) for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(value, torch.stack(single))


def test_slices_of_a_fan_keep_the_bound_of_a_distance():
    x, y, b = cloud(300), cloud(200, seed=1) / 2, masses(200, seed=1)
    exact = EnergyDistance(backend="dense")(x, y, None, b)
    value = kernel_distance(DistanceKernel(), x, y, None, b, backend=Sorted(directions=32))
    assert abs((value - exact).item()) <= 4 * 0.82 / 32**2 * 0.6
    assert value > 0


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4])
def test_a_tolerance_of_the_discrepancy_is_kept_by_slices(tolerance):
    x, y = cloud(300), cloud(200, seed=1)
    x[:50], y[:50], y[50:60] = x[:1], x[:50], y[:1]
    exact = EnergyDistance(backend="dense")(x, y).item()
    value = EnergyDistance(backend=Sorted(), tolerance=tolerance)(x, y).item()
    selves = torch.cdist(x, x).mean().item() + torch.cdist(y, y).mean().item()
    assert abs(value - exact) <= tolerance * (exact + 0.01 * selves)


@pytest.mark.parametrize("sampling", ["design", "random", "quasi"])
@pytest.mark.parametrize("dimension", [2, 3, 7])
def test_the_standard_error_is_the_size_of_the_error(sampling, dimension):
    x, y = cloud(80, dimension), cloud(60, dimension, seed=1) / 2
    exact = EnergyDistance(backend="dense")(x, y).item()
    estimates = [
        sliced_energy_distance(x, y, directions=8, sampling=sampling, replicates=16, seed=seed) for seed in range(12)
    ]
    errors = [(estimate.value - exact) / estimate.standard_error for estimate in estimates]
    assert 0.2 < sum(error**2 for error in errors) / 12 < 4.0


def test_on_a_line_the_estimate_is_exact():
    x, y = cloud(dimension=1), cloud(9, dimension=1, seed=1)
    estimate = sliced_energy_distance(x, y)
    assert estimate.value == pytest.approx(EnergyDistance()(x, y).item(), rel=1e-12)
    assert estimate.standard_error < 1e-15


def test_one_replicate_has_no_standard_error():
    with pytest.raises(ArgumentError, match="replicates"):
        sliced_energy_distance(cloud(), cloud(), replicates=1)
