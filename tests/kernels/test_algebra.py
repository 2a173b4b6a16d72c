from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interflow.boundaries import PeriodicBoundary
from interflow.errors import ArgumentError
from interflow.kernels import (
    DistanceKernel,
    GaussianKernel,
    InverseMultiquadricKernel,
    InversePowerKernel,
    Kernel,
    LaplacianKernel,
    LogarithmicKernel,
    MaternKernel,
    ProductKernel,
    ScaledKernel,
    SoftSphereKernel,
    SumKernel,
)
from interflow.parameters import hyperparameters, substitute
from interflow.sums import potential
from tests.kernels.cases import cloud
from tests.kernels.transforms import TORI, displacements, images

X, Y = cloud(6, 2, seed=0), cloud(4, 2, seed=1)
numbers = st.floats(-10, 10).filter(lambda number: abs(number) > 1e-3)


def assert_equal(kernel, matrix: torch.Tensor) -> None:
    torch.testing.assert_close(kernel(X, Y), matrix, rtol=1e-14, atol=1e-14)


@given(a=numbers, b=numbers)
def test_matrices_are_linear_in_the_kernel(a: float, b: float) -> None:
    first, second = GaussianKernel(0.3), DistanceKernel()
    assert_equal(a * first + b * second, a * first(X, Y) + b * second(X, Y))
    assert_equal((first - second) / a, (first(X, Y) - second(X, Y)) / a)
    assert_equal(-first, -first(X, Y))


def test_sum_of_a_list_and_nested_sums_are_flat() -> None:
    terms = [GaussianKernel(sigma) for sigma in (0.1, 0.2, 0.4)]
    total: Any = sum(terms)
    assert isinstance(total, SumKernel)
    assert list(total.terms) == terms
    assert_equal(total, sum(term(X, Y) for term in terms))


def test_one_kernel_may_be_added_to_itself() -> None:
    kernel = GaussianKernel(0.3, learnable=True)
    double = kernel + kernel
    assert_equal(double, 2.0 * kernel(X, Y))
    assert [name for name, _ in double.named_parameters()] == ["terms.0.log_sigma"]
    values = hyperparameters(double)
    assert list(values) == ["terms.0.sigma", "terms.1.sigma"]
    assert_equal(substitute(double, values), 2.0 * kernel(X, Y))


def test_cutoff_of_a_term_is_applied_to_that_term_only() -> None:
    sphere, gaussian = SoftSphereKernel(1.0, 0.2), GaussianKernel(0.5)
    assert_equal(sphere + gaussian, sphere(X, Y) + gaussian(X, Y))
    assert_equal(gaussian - 3.0 * sphere + sphere, gaussian(X, Y) - 2.0 * sphere(X, Y))


def test_definiteness_follows_the_factors() -> None:
    gaussian, matern = GaussianKernel(0.3), MaternKernel(0.3, 1.5)
    assert (2.0 * gaussian + matern).definite is True
    assert (gaussian - matern).definite is None
    assert (-gaussian).definite is False
    assert (0.0 * -gaussian).definite is True
    scaled = ScaledKernel(-1.0, gaussian)
    scaled.scale = 1.0  # type: ignore[assignment]
    assert scaled.definite is True


@given(a=numbers, b=numbers)
def test_the_matrix_of_a_product_is_the_product_of_the_matrices(a: float, b: float) -> None:
    first, second = GaussianKernel(0.3), DistanceKernel()
    product = (a * first) * (b * second)
    torch.testing.assert_close(product(X, Y), a * first(X, Y) * b * second(X, Y), rtol=1e-14, atol=0)


def test_nested_products_are_flat_and_a_kernel_may_be_squared() -> None:
    factors = [GaussianKernel(sigma) for sigma in (0.1, 0.2, 0.4)]
    product: Any = factors[0] * (factors[1] * factors[2])
    assert list(product.factors) == factors
    assert_equal(factors[2] * factors[2], factors[2](X, Y).square())


def test_a_product_reaches_as_far_as_the_factor_with_the_smallest_cutoff() -> None:
    narrow, wide, free = SoftSphereKernel(1.0, 0.2), SoftSphereKernel(1.0, 5.0), GaussianKernel(0.5)
    product = wide * (2.0 * narrow) * free
    assert product.cutoff.item() == 0.2
    assert_equal(product, 2.0 * wide(X, Y) * narrow(X, Y) * free(X, Y))
    assert (free * free).cutoff is None
    torus = PeriodicBoundary(1.0)  # on which the wide one alone is refused
    torch.testing.assert_close(potential(product, X, Y, boundary=torus), product(X, Y, torus).mean(1))
    with pytest.raises(ArgumentError, match="`cutoff`"):
        potential(product + wide, X, Y, boundary=torus)
    with pytest.raises(AttributeError):
        product.cutoff = 0.1


def test_products_of_positive_definite_kernels_are_and_of_conditional_ones_are_not_known() -> None:
    gaussian, matern, softened = GaussianKernel(0.3), MaternKernel(0.3, 1.5), InversePowerKernel(1.0, 0.2)
    assert (2.0 * gaussian * matern).definite is True
    assert ((gaussian + matern) * softened).definite is True
    for conditional in (DistanceKernel(), LogarithmicKernel(0.2), -gaussian, SoftSphereKernel(1.0, 1.0)):
        assert (gaussian * conditional).definite is None
    assert ProductKernel([DistanceKernel()]).definite is True
    square = (DistanceKernel() * DistanceKernel())(X, X)  # r², which is negative definite
    centred = torch.eye(6, dtype=torch.float64) - 1.0 / 6
    assert torch.linalg.eigvalsh(centred @ square @ centred).min() < -0.1


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("shells", [0, 1])
@pytest.mark.parametrize("torus", TORI)
@pytest.mark.parametrize(
    "product",
    [GaussianKernel(0.2) * MaternKernel(0.3, 1.5), LaplacianKernel(0.2) * GaussianKernel(0.5) * MaternKernel(0.4, 2.5)],
    ids=repr,
)
def test_the_image_tail_of_a_product_bounds_the_images_left_out(product: Kernel, torus, shells: int, order) -> None:
    lengths = TORI[torus]
    n, values, slopes = images(product, displacements(lengths, 20, seed=1), lengths, 3)
    sizes = values.abs() if order == 0 else slopes.norm(dim=-1)
    left_out = sizes[:, n.abs().amax(-1) > shells].sum(1).max().item()
    assert left_out <= product.image_tail(lengths, shells, order) * (1.0 + 1e-12)


def test_a_product_is_summed_over_all_images_where_its_factors_can_be() -> None:
    torus = PeriodicBoundary(1.0, images="all")
    product = GaussianKernel(0.3) * LaplacianKernel(0.2)
    shifts = torch.cartesian_prod(*[torch.arange(-4.0, 5.0, dtype=torch.float64)] * 2)
    expected = sum(product(X, Y + shift) for shift in shifts)
    torch.testing.assert_close(potential(product, X, Y, boundary=torus), expected.mean(1), rtol=1e-12, atol=1e-14)
    assert product.at_zero(2, torus).item() > product.at_zero(2).item()
    slow = InverseMultiquadricKernel(0.3)
    with pytest.raises(ArgumentError, match=r"`boundary`.*ProductKernel"):
        potential(slow * slow, X, Y, boundary=torus)


def test_repr_reads_like_the_formula() -> None:
    kernel = 2.0 * (GaussianKernel(0.1) - 0.5 * MaternKernel(0.3, 2.5))
    assert repr(kernel) == "2.0 * (GaussianKernel(sigma=0.1) + -1.0 * 0.5 * MaternKernel(sigma=0.3, nu=2.5))"


def test_other_operands_are_refused_by_python() -> None:
    for operation in (lambda k: k + 1.0, lambda k: k / k, lambda k: 1.0 / k, lambda k: k - torch.ones(())):
        with pytest.raises(TypeError):
            operation(GaussianKernel(1.0))
