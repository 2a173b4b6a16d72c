"""The maximum mean discrepancy on the modes of a series."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from interflow import sums
from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.discrepancies import MMD
from interflow.errors import BackendError
from interflow.kernels import DistanceKernel, GaussianKernel
from interflow.sums.series import Phases

TORUS = PeriodicBoundary(1.0, images="all")
MIXTURE = GaussianKernel(0.1) + 0.5 * GaussianKernel(0.04)

backends = pytest.mark.parametrize("backend", ["fourier", "nufft"])
estimators = pytest.mark.parametrize("estimator", ["biased", "unbiased"])


def measures(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.rand(count, 2, dtype=torch.float64, generator=generator).to(dtype) for count in (90, 70))
    weights = torch.rand(90, dtype=torch.float64, generator=generator).to(dtype)
    return x, y, weights / weights.sum()


@backends
@estimators
@pytest.mark.parametrize("boundary", [TORUS, OpenBoundary()])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_error_is_under_the_promise(backend, estimator, boundary, tolerance, dtype):
    x, y, weights = measures(dtype=dtype)
    loss = MMD(MIXTURE, boundary=boundary, estimator=estimator, backend=backend, tolerance=tolerance)
    exact = MMD(MIXTURE, boundary=boundary, estimator=estimator, backend="dense")
    wide = [tensor.double() for tensor in (x, y, weights)]
    expected = exact(*wide)
    self_terms = sum(
        sums.quadratic(MIXTURE, *measure, boundary=boundary) for measure in ((wide[0], wide[2]), (wide[1],))
    )
    assert (loss(x, y, weights) - expected).abs() <= tolerance * (expected.abs() + 0.01 * self_terms.abs())


@backends
def test_it_is_never_negative_and_zero_for_equal_clouds(backend):
    loss = MMD(MIXTURE, boundary=TORUS, backend=backend, tolerance=1e-4)
    for seed in range(5):
        x, y, weights = measures(seed, torch.float32)
        assert loss(x, y, weights) > 0
        assert loss(x, x.clone(), weights, weights.clone()) == 0
        assert loss(x, x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]) >= 0


@backends
@estimators
def test_derivatives_are_those_of_the_exact_value(backend, estimator):
    kernel = GaussianKernel(0.1, learnable=True)
    x, y, weights = (tensor.requires_grad_() for tensor in measures())
    inputs = [x, y, weights, *kernel.parameters()]

    def derivatives(**options):
        value = MMD(kernel, boundary=TORUS, estimator=estimator, **options)(x, y, weights)
        first = torch.autograd.grad(value, inputs, create_graph=True)
        return [*first, *torch.autograd.grad(sum(part.square().sum() for part in first), inputs)]

    expected = derivatives(backend="dense")
    for result, wanted in zip(derivatives(backend=backend, tolerance=1e-8), expected, strict=True):
        assert (result - wanted).norm() <= 1e-6 * wanted.norm()


@backends
@estimators
def test_value_and_velocity_are_those_of_the_exact_sums(backend, estimator):
    x, y, weights = measures()
    weights[3] = 0.0
    weights /= weights.sum()
    options = {"boundary": TORUS, "estimator": estimator}
    value, velocity = MMD(MIXTURE, backend=backend, tolerance=1e-6, **options).value_and_velocity(x, y, weights)
    expected, wanted = MMD(MIXTURE, backend="dense", **options).value_and_velocity(x, y, weights)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-9)
    assert (velocity - wanted).norm() <= 1e-6 * wanted.norm()
    assert velocity[3].tolist() == [0.0, 0.0]


@backends
def test_batches_are_compared_each_by_itself(backend):
    x, y = torch.rand(3, 20, 2, dtype=torch.float64), torch.rand(3, 30, 2, dtype=torch.float64)
    loss = MMD(MIXTURE, boundary=TORUS, reduction="none", backend=backend, tolerance=1e-6)
    each = torch.stack([loss(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(loss(x, y), each, rtol=1e-8, atol=1e-10)


def test_the_target_is_analysed_once_until_it_changes(monkeypatch):
    analysed = []
    original = Phases.at
    monkeypatch.setattr(
        Phases, "at", lambda self, points, modes: analysed.append(points) or original(self, points, modes)
    )
    loss = MMD(MIXTURE, boundary=TORUS, backend="fourier", tolerance=1e-4)
    x, y, _ = measures()
    first = loss(x, y)
    assert len(analysed) == 2
    assert loss(x, y) == first
    assert len(analysed) == 3
    y += 0.1
    assert loss(x, y) == MMD(MIXTURE, boundary=TORUS, backend="fourier", tolerance=1e-4)(x, y)
    assert loss(x, y.clone()) == loss(x, y)


def test_new_parameters_and_modes_are_seen():
    kernel = GaussianKernel(0.1)
    loss = MMD(kernel, boundary=TORUS, backend="fourier", tolerance=1e-4)
    x, y, _ = measures()
    before = loss(x, y)
    kernel.sigma = 0.03
    assert loss(x, y) == MMD(GaussianKernel(0.03), boundary=TORUS, backend="fourier", tolerance=1e-4)(x, y)
    assert loss(x, y) != before


def test_a_loss_that_keeps_a_spectrum_is_copied_and_pickled():
    loss = MMD(MIXTURE, boundary=TORUS, backend="fourier", tolerance=1e-4)
    x, y, _ = measures()
    value = loss(x, y)
    assert copy.deepcopy(loss)(x, y) == value
    assert pickle.loads(pickle.dumps(loss))(x, y) == value


def test_a_series_that_cannot_keep_the_scale_of_a_distance_is_refused():
    x, y, _ = measures()
    loss = MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0), backend="fourier", tolerance=1e-2)
    with pytest.raises(BackendError, match="images beyond the nearest"):
        loss(x, y)


@pytest.mark.parametrize(
    ("name", "dimension", "options"),
    [
        ("nufft", 2, {"backend": "nufft", "tolerance": 1e-4}),
        ("fourier", 2, {"backend": "fourier", "tolerance": 1e-4}),
        ("dense", 12, {}),
        ("sorted", 1, {"backend": "sorted"}),
    ],
)
def test_what_sums_a_distance_in_one_piece_is_counted(name, dimension, options):
    kernel = DistanceKernel() if name == "sorted" else GaussianKernel(0.3)
    x, y = (torch.rand(40, dimension, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    with sums.backends_used() as used:
        MMD(kernel, **options)(x, y)
    assert dict(used) == {name: 1}
