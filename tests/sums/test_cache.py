"""What depends on a target alone is computed once, and anew as soon as anything that it depends on changes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from interflow.boundaries import PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance
from interflow.kernels import DistanceKernel, GaussianKernel
from interflow.sums.backends import Backend
from interflow.sums.cache import ValueCache


def measures(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(count, 2, dtype=dtype, generator=generator) for count in (30, 40)]


@pytest.fixture
def summed(monkeypatch):
    """The numbers of points and the dtypes of the clouds whose quadratic forms were summed."""
    clouds = []
    original = Backend.quadratic_form

    def counted(backend, pairs):
        clouds.append((pairs.row_count, pairs.dtype))
        return original(backend, pairs)

    monkeypatch.setattr(Backend, "quadratic_form", counted)
    return clouds


@pytest.mark.parametrize("loss", [MMD(GaussianKernel(0.2), estimator="unbiased"), EnergyDistance()])
def test_pairs_of_the_target_are_summed_once(loss, summed):
    x, y = measures()
    values = [loss(x, y), loss(x + 0.0, y), loss.value_and_velocity(x, y)[0]]
    assert summed.count((len(y), y.dtype)) == 1
    assert values[0] == values[1]
    torch.testing.assert_close(values[0], values[2])


def changed_in_place(loss, y, weights):
    y *= 0.5


def changed_weights(loss, y, weights):
    weights[0] += weights[1].item()
    weights[1] = 0.0


def another_bandwidth(loss, y, weights):
    loss.kernel.sigma = 0.5


def another_period(loss, y, weights):
    loss.boundary = PeriodicBoundary(2.0, images="all")


def another_estimator(loss, y, weights):
    loss.estimator = "unbiased"


@pytest.mark.parametrize(
    "change", [changed_in_place, changed_weights, another_bandwidth, another_period, another_estimator]
)
def test_a_change_of_anything_is_seen(change):
    x, y = measures()
    weights = torch.full((40,), 1 / 40, dtype=torch.float64)
    loss = MMD(GaussianKernel(0.2), boundary=PeriodicBoundary(1.0, images="all"), backend="dense")
    before = loss(x, y, None, weights)
    change(loss, y, weights)
    fresh = MMD(loss.kernel, boundary=loss.boundary, estimator=loss.estimator, backend="dense")
    assert loss(x, y, None, weights) == fresh(x, y, None, weights)
    assert loss(x, y, None, weights) != before


def test_gradients_by_the_target_and_the_kernel_are_whole():
    x, y = measures()
    kernel = GaussianKernel(0.2, learnable=True)
    loss = MMD(kernel, backend="dense")
    loss(x, y)
    y.requires_grad_()
    inputs = [y, *kernel.parameters()]
    gradients = torch.autograd.grad(loss(x, y), inputs)
    expected = torch.autograd.grad(MMD(kernel, backend="dense")(x, y), inputs)
    for gradient, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize(
    "options", [{"backend": "dense"}, *({"backend": name, "tolerance": 1e-4} for name in ("fourier", "nufft"))], ids=str
)
def test_inference_mode_and_training_take_turns(options, estimator):
    x, y = measures()
    loss = MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0, images="all"), estimator=estimator, **options)
    with torch.inference_mode():
        value = loss(x, y)
        made_here = torch.rand(5, 2, dtype=torch.float64)
        assert loss(x, made_here) == loss(x, made_here)
    trained = loss(x.requires_grad_(), y)
    trained.backward()
    torch.testing.assert_close(trained.detach(), value.clone())
    assert x.grad.abs().sum() > 0


def test_clouds_of_two_dtypes_are_both_kept(summed):
    x, y = measures()
    loss = MMD(DistanceKernel(), backend="dense")
    narrow = y.float()
    for _ in range(3):
        loss(x, y)
        loss(x.float(), narrow)
    assert summed.count((len(y), torch.float64)) == summed.count((len(y), torch.float32)) == 1


def through_numpy(tensor):
    tensor.numpy()[:] = tensor.flip(0).numpy()


def through_data(tensor):
    tensor.data.copy_(tensor.flip(0))


@pytest.mark.parametrize("change", [through_numpy, through_data])
@pytest.mark.parametrize("options", [{}, {"backend": "fourier", "tolerance": 1e-4}])
def test_changes_that_no_version_tells_of_are_seen(change, options):
    x, y = measures()
    weights = torch.arange(1.0, 41.0, dtype=torch.float64) / 820.0
    loss = MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0, images="all"), **options)
    for changed in (y, weights):
        before = loss(x, y, None, weights)
        change(changed)
        expected = MMD(loss.kernel, boundary=loss.boundary, **options)(x, y, None, weights)
        assert loss(x, y, None, weights) == expected != before


def test_tensors_in_the_place_of_those_before_are_not_taken_for_them():
    x, y = measures()
    loss = EnergyDistance(backend="dense")
    for seed in range(20):  # each is freed before the next is made, often at the same address
        weights = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        weights /= weights.sum()
        assert loss(x, y, None, weights) == EnergyDistance(backend="dense")(x, y, None, weights)
        del weights


def test_a_copy_begins_with_nothing():
    kept, points = ValueCache[int](), torch.zeros(2, 1)
    assert kept.get_or_compute(points, None, key=(), compute=lambda: 1) == 1
    for other in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert other.get_or_compute(points, None, key=(), compute=lambda: 2) == 2
    assert kept.get_or_compute(points, None, key=(), compute=lambda: 3) == 1
