"""Points with many coordinates, whose pairs are summed by matrix products."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from interflow import PeriodicBoundary, field, potential, potential_and_field
from interflow.errors import BackendError
from interflow.kernels import DistanceKernel, GaussianKernel, Kernel, LaplacianKernel
from interflow.sums.preparation import MANY_COORDINATES
from tests.sums.cases import KERNELS, SINGULAR, TOLERANCE, cloud, excess, signed_weights

FEW, MANY = MANY_COORDINATES - 1, MANY_COORDINATES + 2


def padded(points: Tensor) -> Tensor:
    """The same points with zeros as further coordinates."""
    return torch.cat([points, points.new_zeros(*points.shape[:-1], MANY - FEW)], -1)


def case(name: str) -> tuple[Kernel, Tensor, Tensor, Tensor]:
    """A kernel and two clouds, some of whose points coincide if the kernel allows it."""
    x, y, weights = cloud(11, FEW, 1) * 0.3, cloud(13, FEW, 2) * 0.3, signed_weights(13, 3)
    if name not in SINGULAR:
        y[:3] = x[:3]
        y[3] = x[4] + 1e-5
    return KERNELS[name](), x.requires_grad_(), y.requires_grad_(), weights.requires_grad_()


def orders(kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, pad: bool) -> list[Tensor]:
    """Potential and field, the gradients of a form of both, and those of a form of these gradients."""
    x_points, y_points = (padded(x), padded(y)) if pad else (x, y)
    u, f = potential_and_field(kernel, x_points, y_points, weights, backend="dense")
    f = f[..., :FEW]
    inputs = [x, y, weights, *kernel.parameters()]
    form = (u * torch.linspace(-1, 1, len(u))).sum() + (f * torch.linspace(-1, 1, f.numel()).view_as(f)).sum()
    first = torch.autograd.grad(form, inputs, create_graph=True)
    square = torch.stack([part.square().sum() for part in first]).sum()
    return [u, f, *first, *torch.autograd.grad(square, inputs, allow_unused=True, materialize_grads=True)]


@pytest.mark.parametrize("name", KERNELS)
def test_further_coordinates_that_are_zero_change_nothing_to_second_order(name):
    kernel, x, y, weights = case(name)
    few, many = (orders(kernel, x, y, weights, pad) for pad in (False, True))
    for expected, result in zip(few, many, strict=True):
        assert (result - expected).norm() <= 1e-11 * (expected.norm() + 1e-3 * len(x))


def test_tangents_are_those_of_points_with_few_coordinates():
    kernel, x, y, weights = case("gaussian")
    moved = [torch.randn(part.shape, generator=torch.Generator().manual_seed(4)).double() for part in (x, y, weights)]

    def forms(x: Tensor, y: Tensor, weights: Tensor, pad: bool) -> tuple[Tensor, ...]:
        x, y = (padded(x), padded(y)) if pad else (x, y)
        return potential_and_field(kernel, x, y, weights, backend="dense")

    few, many = (
        torch.func.jvp(lambda *parts, pad=pad: forms(*parts, pad), (x, y, weights), tuple(moved))[1]
        for pad in (False, True)
    )
    assert torch.allclose(few[0], many[0], rtol=1e-12)
    assert torch.allclose(few[1], many[1][..., :FEW], rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("spread", ["even", "clusters", "equal"])
@pytest.mark.parametrize(
    "kernel", [GaussianKernel(3.0), LaplacianKernel(3.0), DistanceKernel()], ids=lambda k: type(k).__name__
)
def test_sums_keep_the_promise_wherever_the_points_are(kernel, spread, offset, dtype):
    x, y = (
        torch.randn(count, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
        for count in (60, 50)
    )
    if spread == "clusters":  # near each other, and far from the mean
        far = torch.zeros(40, dtype=torch.float64)
        far[0] = 300.0
        x, y = x * 0.01 + (x[:, :1] > 0) * far, y * 0.01 + (y[:, :1] > 0) * far
    if spread == "equal":  # apart from one point, so that there is a scale to measure errors by
        x, y = torch.cat([x[:1], x[1:2].expand(59, -1)]), x[1:2].expand(50, -1)
    x, y, weights = (x + offset).to(dtype), (y + offset).to(dtype), signed_weights(50, 1, dtype)
    difference = x.double()[:, None] - y.double()
    distance = difference.norm(dim=-1)
    values = kernel.evaluate((distance,))
    apart = distance.clone().masked_fill_(distance == 0, 1.0).requires_grad_()
    (slope,) = torch.autograd.grad(kernel.evaluate((apart,)).sum(), apart)
    slopes = torch.where(distance == 0, 0.0, slope / apart)[..., None] * difference
    u, f = potential_and_field(kernel, x, y, weights, backend="dense")
    assert excess(u, values @ weights.double(), values, weights, dtype) <= 1
    assert excess(f, torch.einsum("ijk,j->ik", slopes, weights.double()), slopes, weights, dtype) <= 10


def test_a_torus_of_many_coordinates_sees_nearest_images():
    x, y = cloud(5, MANY, 1), cloud(6, MANY, 2)
    kernel, torus = GaussianKernel(1.0), PeriodicBoundary(1.0)
    expected = kernel(x, y, torus).mean(1)
    assert torch.allclose(potential(kernel, x, y, boundary=torus, backend="dense"), expected, rtol=1e-12)


def test_batches_are_sums_of_their_own():
    x, y = (torch.randn(3, count, 20, generator=torch.Generator().manual_seed(count)) for count in (5, 7))
    kernel = GaussianKernel(4.0)
    together = field(kernel, x, y, backend="dense")
    alone = torch.stack([field(kernel, a, b, backend="dense") for a, b in zip(x, y, strict=True)])
    assert torch.allclose(together, alone, atol=1e-7)


def test_self_pairs_are_left_out_by_index():
    x = torch.randn(30, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel, weights = GaussianKernel(4.0), signed_weights(30, 1)
    whole, without = (potential(kernel, x, x, weights, self_pairs=pairs, backend="dense") for pairs in (True, False))
    assert torch.allclose(whole - without, weights, atol=TOLERANCE[torch.float64])


def test_thousands_of_coordinates_are_summed():
    x = torch.randn(20, 3000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    field(GaussianKernel(50.0), x, x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("backend", ["compiled", "keops"])
def test_backends_that_write_out_components_refuse_many_of_them(backend):
    x = torch.randn(5, 100)
    with pytest.raises(BackendError, match="100 coordinates"):
        field(GaussianKernel(1.0), x, x, backend=backend)
