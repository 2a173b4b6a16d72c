from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interflow.kernels import DistanceKernel, GaussianKernel, MaternKernel, ScaledKernel, SoftSphereKernel, SumKernel
from interflow.parameters import hyperparameters, substitute
from tests.kernels.cases import cloud

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


def test_repr_reads_like_the_formula() -> None:
    kernel = 2.0 * (GaussianKernel(0.1) - 0.5 * MaternKernel(0.3, 2.5))
    assert repr(kernel) == "2.0 * (GaussianKernel(sigma=0.1) + -1.0 * 0.5 * MaternKernel(sigma=0.3, nu=2.5))"


def test_other_operands_are_refused_by_python() -> None:
    for operation in (lambda k: k + 1.0, lambda k: k * k, lambda k: 1.0 / k, lambda k: k - torch.ones(())):
        with pytest.raises(TypeError):
            operation(GaussianKernel(1.0))
