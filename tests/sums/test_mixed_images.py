"""A product of an axis with nearest images and one with all of them is neither."""

import pytest
import torch

import interflow as fl
from interflow.boundaries import Boundary
from interflow.errors import BackendError
from tests.sums.cases import cloud, signed_weights

MIXED = fl.ProductBoundary([fl.PeriodicBoundary(1.0), fl.PeriodicBoundary(1.0, images="all")])


class Stretched(Boundary):
    def displacement(self, x, y):
        return 2.0 * (x - y)

    def wrap(self, x):
        return x


@pytest.mark.parametrize("backend", ["dense", "compiled"])
def test_images_are_summed_along_their_own_axis_alone(backend):
    kernel, x, y, w = fl.GaussianKernel(0.3), cloud(9, 2, 0), cloud(8, 2, 1), signed_weights(8, 2)
    near = x[:, None] - y[None]
    near = near - near.round()
    images = [near + torch.tensor([0.0, n], dtype=torch.float64) for n in range(-5, 6)]
    expected = sum(kernel.evaluate(image.unbind(-1)) for image in images) @ w
    torch.testing.assert_close(fl.potential(kernel, x, y, w, boundary=MIXED, backend=backend), expected)


@pytest.mark.parametrize("backend", ["fourier", "nufft"])
def test_a_series_is_refused_where_it_has_images_that_the_nearest_axis_has_not(backend):
    x, w = cloud(9, 2, 0), signed_weights(9, 2)
    options = {"boundary": MIXED, "backend": backend, "tolerance": 1e-6}
    with pytest.raises(BackendError, match="images beyond the nearest"):
        fl.potential(fl.GaussianKernel(0.3), x, x, w, **options)
    narrow = fl.GaussianKernel(0.05)
    found = fl.potential(narrow, x, x, w, **options)
    exact = fl.potential(narrow, x, x, w, boundary=MIXED, backend="dense")
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-6)


def test_a_product_is_straight_where_all_of_its_axes_are():
    assert MIXED.straight
    bent = fl.ProductBoundary([fl.PeriodicBoundary(1.0), Stretched()])
    assert not bent.straight
    assert not fl.ProductBoundary([Stretched(), fl.PeriodicBoundary(1.0)]).straight
    x = cloud(9, 2, 0)
    with pytest.raises(BackendError, match="not known to be x − y"):
        fl.potential(fl.GaussianKernel(0.05), x, x, boundary=bent, backend="fourier", tolerance=1e-3)
