"""The kernel distance of clouds with many coordinates: one pass of matrix products, and what it must not change."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from interflow import MMD, Dense, DistanceKernel, GaussianKernel, LaplacianKernel, MorseKernel, RadialKernel
from interflow.sums.backends import matmul_distance
from interflow.sums.formula import MANY_COORDINATES
from tests.sums.cases import KERNELS, SINGULAR, cloud

FEW, MANY = MANY_COORDINATES - 1, MANY_COORDINATES + 2
REGULAR = [name for name in KERNELS if name not in SINGULAR]
pytestmark = pytest.mark.filterwarnings("ignore:`kernel`:interflow.InterflowWarning")


@pytest.fixture
def passes(monkeypatch):
    """How often the one pass ran to its end."""
    made, run = [], matmul_distance.matmul_distance

    def counted(*arguments):
        result = run(*arguments)
        made.append(result)
        return result

    monkeypatch.setattr(matmul_distance, "matmul_distance", counted)
    return made


def masses(count, seed):
    weights = cloud(count, 1, seed)[:, 0] + 0.1
    return weights / weights.sum()


def padded(points):
    """The same points with zeros as further coordinates: pairs go through products."""
    return torch.cat([points, points.new_zeros(*points.shape[:-1], MANY - FEW)], -1)


def clouds(near=0):
    """Two clouds, of which some points are near those of their own and of the other."""
    x, y = 0.3 * cloud(23, FEW, 1), 0.3 * cloud(19, FEW, 2)
    x[1 : 1 + near], y[:near] = x[0] + 1e-6, x[2 : 2 + near]
    return x, y


def first_and_second(loss, x, y, a, b, pad):
    """The value, its gradients by all that it depends on, and those of a form of these."""
    inputs = [part.clone().requires_grad_() for part in (x, y, a, b)] + list(loss.parameters())
    points = [padded(part) if pad else part for part in inputs[:2]]
    value = loss(*points, *inputs[2:4])
    once = torch.autograd.grad(value, inputs, retain_graph=True)
    first = torch.autograd.grad(value, inputs, create_graph=True)
    form = torch.stack([(part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in first]).sum()
    second = torch.autograd.grad(form, inputs, materialize_grads=True)
    return [value, *once], [*first, *second]


@pytest.mark.parametrize("name", REGULAR)
@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("tile", [64, 8])
def test_further_coordinates_that_are_zero_change_nothing(name, near, tile, passes):
    x, y = clouds(near)
    a, b = masses(23, 3), masses(19, 4)
    loss = MMD(KERNELS[name](), backend=Dense(tile=tile))
    few, many = (first_and_second(loss, x, y, a, b, pad) for pad in (False, True))
    assert len(passes) == 1
    for order, (expected, found) in enumerate(zip(few, many, strict=True)):
        for one, other in zip(expected, found, strict=True):
            assert (one - other).norm() <= 10.0**-11 * 100**order * (1.0 + one.norm())


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_a_batch_is_its_clouds_one_by_one(estimator, passes):
    x, y = (torch.randn(5, count, 20, generator=torch.Generator().manual_seed(count)).double() for count in (9, 12))
    x.requires_grad_()
    options = {"estimator": estimator, "reduction": "none", "backend": Dense(tile=16)}
    loss = MMD(GaussianKernel(4.0), **options)
    together, alone = loss(x, y), torch.stack([loss(one, other) for one, other in zip(x, y, strict=True)])
    assert len(passes) == 6
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-14)
    by_all, by_each = (torch.autograd.grad(value.square().sum(), x)[0] for value in (together, alone))
    torch.testing.assert_close(by_all, by_each, rtol=1e-11, atol=1e-14)


def test_the_unbiased_estimate_leaves_out_points_with_themselves(passes):
    x, y = (torch.randn(count, 20, generator=torch.Generator().manual_seed(count)).double() for count in (9, 12))
    kernel = GaussianKernel(4.0)
    within = [(kernel(z, z).sum() - len(z)) / (len(z) * (len(z) - 1)) for z in (x, y)]
    expected = within[0] + within[1] - 2.0 * kernel(x, y).mean()
    torch.testing.assert_close(MMD(kernel, estimator="unbiased", backend="dense")(x, y), expected, rtol=1e-12, atol=0)
    assert len(passes) == 1


@pytest.mark.parametrize("tile", [512, 16])
def test_equal_clouds_are_at_zero_to_the_bit(tile):
    x, weights = torch.randn(50, 30, generator=torch.Generator().manual_seed(0)), masses(50, 1).float()
    loss = MMD(GaussianKernel(5.0) + 0.5 * DistanceKernel(), backend=Dense(tile=tile))
    assert loss(x, x.clone()).item() == 0.0
    assert loss(x, x.clone(), weights, weights.clone()).item() == 0.0


@pytest.mark.parametrize("dimension", [16, 128, 784, 4096])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 1.0])
@pytest.mark.parametrize("make", [GaussianKernel, LaplacianKernel], ids=lambda make: make.__name__)
def test_single_precision_keeps_five_digits_in_any_dimension_far_from_the_origin(
    make, scale, offset, dimension, passes
):
    x, y = (torch.randn(count, dimension, generator=torch.Generator().manual_seed(count)) for count in (60, 70))
    x, y = scale * (x + offset), scale * (1.2 * y + 0.5 + offset)
    median = scale * (2.0 * dimension) ** 0.5
    loss = MMD(make(0.5 * median) + make(median) + make(2.0 * median), backend="dense")
    values, slopes = [], []
    for dtype in (torch.float32, torch.float64):
        leaf = x.to(dtype).requires_grad_()
        values.append(loss(leaf, y.to(dtype)))
        slopes.append(torch.autograd.grad(values[-1], leaf)[0].double())
    assert len(passes) == 2
    assert abs(values[0].item() - values[1].item()) <= 1e-5 * values[1].item()
    assert (slopes[0] - slopes[1]).norm() <= 1e-5 * slopes[1].norm()


def test_where_most_points_are_near_each_other_the_sums_that_keep_all_digits_are_taken(passes):
    far = torch.zeros(40)
    far[0] = 300.0
    x, y = (0.01 * torch.randn(n, 40, generator=torch.Generator().manual_seed(n)) for n in (30, 20))
    x, y = (points + torch.arange(len(points))[:, None] % 2 * far for points in (x, y))
    loss = MMD(GaussianKernel(0.1), backend="dense")
    found, expected = loss(x, y), loss(x.double(), y.double())
    assert not passes  # in either dtype
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)


def test_a_point_without_mass_has_no_part_and_a_finite_gradient(passes):
    x, y, a = cloud(20, MANY, 1), cloud(7, MANY, 2), masses(20, 3)
    x, a = torch.where(torch.arange(20)[:, None] < 6, x, 0.0), torch.where(torch.arange(20) < 6, a, 0.0)
    x.requires_grad_()
    a = a / a.sum()
    loss = MMD(LaplacianKernel(1.0), backend="dense")
    values = loss(x, y, a), loss(x[:6], y, a[:6])
    torch.testing.assert_close(*values, rtol=1e-13, atol=0)
    padding, none = (torch.autograd.grad(value, x)[0] for value in values)
    torch.testing.assert_close(padding, none, rtol=1e-11, atol=1e-15)
    assert len(passes) == 2


class Flat(RadialKernel):
    """Says the same of every pair: neither its values nor its slopes are tensors of pairs."""

    symmetric = True

    def profile(self, squared_distance):
        return 2.0 + 0.0 * squared_distance


def test_a_kernel_without_a_slope_is_no_exception():
    x = cloud(5, MANY, 1).requires_grad_()
    value = MMD(Flat(), estimator="unbiased", backend="dense")(x, cloud(6, MANY, 2))
    assert abs(value.item()) <= 1e-14
    assert torch.autograd.grad(value, x)[0].count_nonzero() == 0


class Exponential(RadialKernel):
    """Its profile is minus its own derivative: both are one tensor of pairs."""

    symmetric = True

    def profile(self, squared_distance):
        return torch.exp(-squared_distance)


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_a_profile_that_is_its_own_derivative_is_summed_like_any_other(estimator, passes):
    x, y = 0.3 * cloud(9, MANY, 1), 0.3 * cloud(7, MANY, 2)
    losses = (MMD(kernel, estimator=estimator, backend="dense") for kernel in (Exponential(), GaussianKernel(0.5**0.5)))
    values, gradients = [], []
    for loss in losses:
        points = x.clone().requires_grad_()
        values.append(loss(points, y))
        gradients.append(torch.autograd.grad(values[-1], points)[0])
    torch.testing.assert_close(*values, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-15)
    assert len(passes) == 2


def test_a_scaled_kernel_is_scaled(passes):
    x, y = cloud(5, MANY, 1).requires_grad_(), cloud(6, MANY, 2)
    kernel = MorseKernel(1.0, 0.6, 3.0, 0.2, learnable=True)
    single, triple = (MMD(k, backend="dense")(x, y) for k in (kernel, 3.0 * kernel))
    inputs = [x, *kernel.parameters()]
    expected = [3.0 * slope for slope in torch.autograd.grad(single, inputs)]
    torch.testing.assert_close(list(torch.autograd.grad(triple, inputs)), expected, rtol=1e-12, atol=1e-15)
    assert len(passes) == 2


def test_forward_mode_and_checkpoints_see_the_same_function():
    x, y, v = cloud(5, MANY, 1), cloud(6, MANY, 2), cloud(5, MANY, 3)
    loss = MMD(GaussianKernel(0.5), backend="dense")
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf, y), leaf)
    with torch.autograd.forward_ad.dual_level():
        dual = loss(torch.autograd.forward_ad.make_dual(x, v), y)
        tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
    torch.testing.assert_close(tangent, (slope * v).sum(), rtol=1e-11, atol=1e-15)
    again = checkpoint(lambda x: loss(2.0 * x, y), leaf, use_reentrant=False)
    torch.testing.assert_close(torch.autograd.grad(again, leaf), torch.autograd.grad(loss(2.0 * leaf, y), leaf))


def test_nothing_is_differentiated_where_no_gradient_is_wanted(passes):
    x, y = cloud(5, MANY, 1).requires_grad_(), cloud(6, MANY, 2)
    with torch.no_grad():
        assert not MMD(GaussianKernel(0.5, learnable=True), backend="dense")(x, y).requires_grad
    assert passes[0][1:] == (None,) * 5
