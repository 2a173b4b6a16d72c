"""Whole periods change nothing: neither far points, nor the sign at exactly half a period."""

import pytest
import torch

from interflow import (
    MMD,
    DistanceKernel,
    Fourier,
    GaussianKernel,
    LaplacianKernel,
    OpenBoundary,
    PeriodicBoundary,
    ProductBoundary,
    ReflectingBoundary,
    potential_and_field,
)
from tests.sums.cases import cloud, signed_weights

TORUS = PeriodicBoundary(0.75, lower=-0.25)
every_exact_backend = pytest.mark.parametrize("backend", ["dense", "compiled", "keops", "sorted"])


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [
        *((backend, dtype) for backend in ("dense", "compiled", "sorted") for dtype in (torch.float32, torch.float64)),
        ("keops", torch.float64),
        pytest.param("keops", torch.float32, marks=pytest.mark.full),  # it takes 10 s to compile
    ],
)
def test_at_exactly_half_a_period_sums_are_those_of_wrapped_points(backend, dtype):
    x = 0.375 * torch.arange(-6, 7, dtype=dtype)[:, None]  # multiples of the half period, inside and outside
    w = signed_weights(len(x), 0, dtype)
    found = potential_and_field(LaplacianKernel(0.3), x, x, w, boundary=TORUS, backend=backend)
    wrapped = TORUS.wrap(x)
    expected = potential_and_field(LaplacianKernel(0.3), wrapped, wrapped, w, boundary=TORUS, backend="dense")
    torch.testing.assert_close(found, expected)
    assert expected[1].abs().max() > 0.1


@every_exact_backend
def test_at_exactly_half_a_period_forces_are_equal_and_opposite(backend):
    x = 0.375 * torch.tensor([[0.0], [3.0]], dtype=torch.float64)
    slopes = potential_and_field(LaplacianKernel(0.3), x, x, boundary=TORUS, backend=backend)[1]
    assert slopes[0].abs() > 0.1
    torch.testing.assert_close(slopes[0], -slopes[1])


@pytest.mark.parametrize("backend", ["dense", "sorted", "fourier", "nufft"])
@pytest.mark.parametrize("far", [1e8, 1e12, 1e16])
def test_a_far_point_is_seen_in_the_period_that_it_is_in(backend, far):
    images = "nearest" if backend == "sorted" else "all"
    dimension = 1 if backend == "sorted" else 2
    torus = PeriodicBoundary(0.3, images=images)
    kernel = LaplacianKernel(0.1) if backend == "sorted" else GaussianKernel(0.05)
    x = torch.cat([cloud(20, dimension, 0), cloud(5, dimension, 1) + far])
    w = signed_weights(len(x), 2)
    tolerance = 1e-9 if backend in ("fourier", "nufft") else None
    found = potential_and_field(kernel, x, x, w, boundary=torus, backend=backend, tolerance=tolerance)
    wrapped = torus.wrap(x)
    expected = potential_and_field(kernel, wrapped, wrapped, w, boundary=torus, backend="dense")
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_far_point_is_seen_in_its_period_by_a_discrepancy_of_spectra():
    loss = MMD(GaussianKernel(0.05), boundary=PeriodicBoundary(0.3, images="all"), backend=Fourier(), tolerance=1e-6)
    x, y = cloud(20, 2, 0) + 1e12, cloud(30, 2, 1) - 1e12
    torch.testing.assert_close(loss(x, y), loss(loss.boundary.wrap(x), loss.boundary.wrap(y)))


def test_folding_takes_off_whole_periods_and_moves_nothing_else():
    x = torch.tensor([[-0.5, 7.0, 3.0], [0.25, 0.5, 0.5]], dtype=torch.float64)
    mixed = ProductBoundary([TORUS, OpenBoundary(), ReflectingBoundary(0.0, 1.0)])
    assert mixed.fold(x).tolist() == [[0.25, 7.0, 3.0], [0.25, 0.5, 0.5]]
    inside = TORUS.wrap(cloud(10, 2, 0))
    assert TORUS.fold(inside) is inside


def test_the_gradient_by_the_period_counts_the_periods_between_points():
    torus = PeriodicBoundary(0.3)
    length = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x, y = torch.tensor([[1.0]], dtype=torch.float64), torch.tensor([[0.03]], dtype=torch.float64)

    def total(length):
        module = torch.func.functional_call
        return module(_Sum(torus), {"torus.lengths": length}, (x, y))

    (slope,) = torch.autograd.grad(total(length), length)
    assert slope.item() == pytest.approx(3.0)  # |1 − 0.03 − 3·0.3| = 0.07 shrinks by 3 as the period grows


class _Sum(torch.nn.Module):
    def __init__(self, torus: PeriodicBoundary) -> None:
        super().__init__()
        self.torus = torus

    def forward(self, x, y):
        return potential_and_field(DistanceKernel(), x, y, boundary=self.torus, backend="dense")[0].sum()
