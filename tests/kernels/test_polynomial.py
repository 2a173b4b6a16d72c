"""Kernels of the inner product, and the kernel inception distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import interflow as fl
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.sums import bilinear, field, potential, potential_and_field
from interflow.testing import KernelSuite
from tests.kernels.cases import cloud

MAKE: dict[str, Callable[[], Kernel]] = {
    "linear": fl.LinearKernel,
    "linear with an offset": lambda: fl.LinearKernel(0.7, learnable=True),
    "quadratic": lambda: fl.PolynomialKernel(2, 0.5, 0.0, learnable=True),
    "cubic": lambda: fl.PolynomialKernel(3, 0.5, 1.5, learnable=True),
    "polynomial and gaussian": lambda: (
        fl.PolynomialKernel(3, 0.5, learnable=True) + 2.0 * fl.GaussianKernel(0.7, learnable=True)
    ),
    "polynomial times gaussian": lambda: 0.5 * fl.PolynomialKernel(2, 0.5) * fl.GaussianKernel(0.7, learnable=True),
}
every_kernel = pytest.mark.parametrize("name", MAKE)


class TestInnerProducts(KernelSuite):
    """In the plane as a formula of components, in many dimensions as one of inner products."""

    backends: Sequence[str] = ("dense",)

    @pytest.fixture(params=[(name, dimension) for name in MAKE for dimension in (2, 11)], autouse=True, ids=str)
    def _kernel(self, request):
        self.name, self.dimension = request.param

    def make(self):
        return MAKE[self.name]()


@pytest.mark.full
class TestInnerProductsOnGeneratedCode(TestInnerProducts):
    backends = ("compiled", "keops")


@pytest.mark.parametrize("dimension", [1, 2, 12])
def test_values_are_the_closed_form(dimension: int) -> None:
    x, y = cloud(5, dimension, 0) - 0.5, cloud(4, dimension, 1)
    torch.testing.assert_close(fl.LinearKernel(0.5)(x, y), x @ y.T + 0.5)
    cubic = fl.PolynomialKernel(3, scale=0.5, offset=2.0)
    torch.testing.assert_close(cubic(x, y), (0.5 * (x @ y.T) + 2.0) ** 3, rtol=1e-13, atol=0)
    box = fl.ReflectingBoundary(-1.0, 2.0)
    torch.testing.assert_close(potential(cubic, x, y, boundary=box), cubic(x, y).mean(1), rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ["cubic", "polynomial and gaussian"])
@pytest.mark.parametrize("dimension", [3, 9])
def test_derivatives_to_second_order_are_right(name: str, dimension: int) -> None:
    kernel, weights = MAKE[name](), cloud(3, 1, 2)[:, 0].requires_grad_()
    x, y = cloud(2, dimension, 0).requires_grad_(), cloud(3, dimension, 1).requires_grad_()

    def sums(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return potential_and_field(kernel, x, y, weights, backend="dense")

    assert gradcheck(sums, (x, y, weights))
    assert gradgradcheck(sums, (x, y, weights))


@pytest.mark.parametrize("name", ["cubic", "polynomial and gaussian"])
@pytest.mark.parametrize("dimension", [3, 9])
def test_transforms_of_functions_agree_with_the_matrix(name: str, dimension: int) -> None:
    kernel, x, y = MAKE[name](), cloud(4, dimension, 0), cloud(3, dimension, 1)

    def summed(x: Tensor) -> Tensor:
        return potential(kernel, x, y, backend="dense").square().sum()

    def written(x: Tensor) -> Tensor:
        return kernel.of_points(fl.OpenBoundary(), x[:, None], y).mean(1).square().sum()

    torch.testing.assert_close(torch.func.hessian(summed)(x), torch.func.hessian(written)(x), rtol=1e-9, atol=1e-10)
    tangent = torch.func.jvp(torch.func.grad(summed), (x,), (cloud(4, dimension, 5),))
    torch.testing.assert_close(
        tangent, torch.func.jvp(torch.func.grad(written), (x,), (cloud(4, dimension, 5),)), rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_positions_count_from_the_origin_and_not_from_the_cloud(dtype: torch.dtype) -> None:
    x, y = (5.0 + cloud(n, 16, seed).to(dtype) for n, seed in ((7, 0), (6, 1)))
    kernel = fl.PolynomialKernel(2, 1 / 16) + fl.GaussianKernel(1.0)
    found = potential_and_field(kernel, x, y, backend="dense")
    moved = x.double().requires_grad_()
    total = kernel(moved, y.double()).mean(1)
    (slopes,) = torch.autograd.grad(total.sum(), moved)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-13
    for ours, right in zip(found, (total.detach(), slopes), strict=True):
        torch.testing.assert_close(ours.double(), right, rtol=tolerance, atol=tolerance)


@every_kernel
@pytest.mark.parametrize(
    "boundary",
    [
        fl.PeriodicBoundary(1.0),
        fl.PeriodicBoundary(1.0, images="all"),
        fl.ProductBoundary([fl.OpenBoundary(), fl.PeriodicBoundary(1.0)]),
    ],
    ids=lambda boundary: type(boundary).__name__,
)
def test_periodic_axes_are_refused(name: str, boundary: fl.Boundary) -> None:
    kernel, x = MAKE[name](), cloud(4, 2, 0)
    calls: list[Callable[[], object]] = [
        lambda: kernel(x, x, boundary),
        lambda: potential(kernel, x, x, boundary=boundary),
        lambda: field(kernel, x, x, boundary=boundary, backend="dense"),
        lambda: fl.MMD(kernel, boundary=boundary)(x, x + 0.1),
        lambda: fl.InteractionEnergy(kernel, boundary=boundary)(x),
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match=r"`boundary`: got a periodic axis with .*⟨x, y⟩, wanted a domain"):
            call()


def test_a_displacement_alone_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`kernel`.*PolynomialKernel.*wanted a function of their displacement"):
        fl.PolynomialKernel(2).evaluate((torch.zeros(3),))
    with pytest.raises(ArgumentError, match="`kernel`"):
        fl.views.kernel_profiles(fl.LinearKernel())


@pytest.mark.parametrize("degree", [0, -1, 2.0, 1.5, True, "3", None], ids=repr)
def test_degrees_are_positive_whole_numbers(degree) -> None:
    with pytest.raises(ArgumentError, match=r"`degree`.*whole number"):
        fl.PolynomialKernel(degree)


@pytest.mark.parametrize("value", [-1.0, float("nan"), "wide"], ids=repr)
def test_scales_and_offsets_are_positive(value) -> None:
    with pytest.raises(ArgumentError, match="`scale`"):
        fl.PolynomialKernel(2, value)
    with pytest.raises(ArgumentError, match="`offset`"):
        fl.PolynomialKernel(2, 1.0, value)
    with pytest.raises(ArgumentError, match="`offset`"):
        fl.LinearKernel(value)
    with pytest.raises(ArgumentError, match=r"`offset`.*learnable"):
        fl.LinearKernel(learnable=True)


@pytest.mark.parametrize("dimension", [1, 3, 20])
def test_polynomials_are_positive_definite(dimension: int) -> None:
    x = cloud(30, dimension, 0) - 0.5
    for name in MAKE:
        kernel = MAKE[name]()
        eigenvalues = torch.linalg.eigvalsh(kernel(x, x).detach())
        assert kernel.positive_definite
        assert kernel.definite is True
        assert eigenvalues.min() >= -1e-13 * eigenvalues.max()


@pytest.mark.parametrize("dimension", [2, 12])
def test_the_mmd_of_the_linear_kernel_is_the_squared_distance_of_the_means(dimension: int) -> None:
    x, y = cloud(20, dimension, 0).requires_grad_(), cloud(30, dimension, 1)
    loss = fl.MMD(fl.LinearKernel(0.5))(x, y)
    gap = x.mean(0) - y.mean(0)
    torch.testing.assert_close(loss, gap.square().sum(), rtol=1e-9, atol=1e-12)
    (slope,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(slope, (2.0 / 20 * gap).detach().expand(20, dimension), rtol=1e-9, atol=1e-12)


def plain_kid(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate of Bińkowski et al. (2018), from whole matrices in float64."""
    n, m, d = len(x), len(y), x.shape[1]
    within_x, within_y, across = ((a @ b.T / d + 1.0) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    return (
        (within_x.sum() - within_x.diagonal().sum()) / (n * (n - 1))
        + (within_y.sum() - within_y.diagonal().sum()) / (m * (m - 1))
        - 2.0 * across.mean()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dimension", [4, 64, 2048])
def test_kid_is_the_unbiased_mmd_of_the_cubic_kernel(dimension: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (
        (0.2 * shift + torch.randn(count, dimension, generator=generator, dtype=torch.float64)).relu().to(dtype)
        for count, shift in ((70, 0.0), (90, 1.0))
    )
    kid = fl.MMD(fl.PolynomialKernel(3, scale=1 / dimension, offset=1.0), estimator="unbiased")
    x.requires_grad_()
    value, exact = kid(x, y), plain_kid(x.double(), y.double())
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(value.double(), exact, rtol=tolerance, atol=tolerance)
    ours, right = (torch.autograd.grad(loss, x)[0] for loss in (value, exact))
    torch.testing.assert_close(ours, right.to(dtype), rtol=1e-4, atol=tolerance * right.abs().max().item())


def test_features_of_one_distribution_are_told_from_those_of_another() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(60, 16, generator=generator) for _ in range(2))
    kernel = fl.PolynomialKernel(3, 1 / 16)
    assert fl.two_sample_test(x, y, kernel, permutations=99).p_value > 0.05
    assert fl.two_sample_test(x, y + 0.5, kernel, permutations=99).p_value <= 0.01


def test_a_bilinear_form_of_many_features_allocates_no_matrix_of_pairs_of_features() -> None:
    x, y = cloud(50, 300, 0), cloud(40, 300, 1)
    kernel = fl.PolynomialKernel(3, 1 / 300)
    torch.testing.assert_close(bilinear(kernel, x, y, backend="auto"), kernel(x, y).mean(), rtol=1e-12, atol=0)
