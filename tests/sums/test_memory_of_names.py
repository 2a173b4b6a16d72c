"""What is remembered of kernels and backends is bounded, told apart by value, and made anew where it was forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from interflow import Dense, GaussianKernel, OpenBoundary, RadialKernel, potential
from interflow.errors import BackendError
from interflow.sums import formula
from interflow.sums.backends import Auto, backend_key, backend_of
from interflow.sums.backends.base import MAX_INSTANCES, _instances
from interflow.sums.cache import BoundedCache
from interflow.sums.formula import formula_name

X = torch.linspace(0.0, 1.0, 6, dtype=torch.float64).reshape(3, 2)


class Power(RadialKernel):
    """``(1 + r²)ⁿ`` with a number n of the code: each is a formula of its own."""

    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def profile(self, squared_distance):
        return (1.0 + squared_distance) ** self.exponent


@pytest.fixture
def small(monkeypatch):
    """Room for the names of ten kernels."""
    caches = [BoundedCache(10), BoundedCache(10)]
    monkeypatch.setattr(formula, "_names", caches[0])
    monkeypatch.setattr(formula, "_written", caches[1])
    return caches


def test_many_kernels_take_no_more_room_and_each_is_summed_as_itself(small):
    for exponent in (*range(1, 60), *range(1, 5)):
        kernel = Power(0.01 * exponent)
        computed = potential(kernel, X, X, backend="dense")
        torch.testing.assert_close(computed, kernel(X, X).mean(1))
        assert max(map(len, small)) <= 10


def test_a_kernel_that_is_used_again_and_again_is_not_forgotten(small):
    name = formula_name(GaussianKernel(0.3), OpenBoundary(), 2)
    for exponent in range(1, 30):
        formula_name(Power(0.01 * exponent), OpenBoundary(), 2)
        assert formula_name(GaussianKernel(0.3), OpenBoundary(), 2) == name
    assert name in small[1]


def test_a_program_whose_formula_was_forgotten_is_told_to_be_compiled_again(small):
    name = formula_name(Power(0.7777), OpenBoundary(), 2)
    for exponent in range(1, 20):
        formula_name(Power(0.01 * exponent), OpenBoundary(), 2)
    with pytest.raises(BackendError, match=r"torch\.compiler\.reset"):
        formula.lookup(name)


@pytest.mark.slow
@pytest.mark.parametrize("count", [formula.MAX_FORMULAS + 500, pytest.param(10_000, marks=pytest.mark.full)])
def test_thousands_of_kernels_stay_within_the_bounds(count):
    for exponent in range(count):
        formula_name(Power(1.0 + 1e-4 * exponent), OpenBoundary(), 1)
    assert len(formula._names) <= formula.MAX_FORMULAS
    assert len(formula._written) <= formula.MAX_FORMULAS


@dataclass(frozen=True)
class Labelled(Dense):
    """A backend of a user's own whose options do not all show in its ``repr``."""

    table: tuple[float, ...] = field(default=(), repr=False)


def test_backends_are_told_apart_by_the_values_of_their_options():
    keys = {backend_key(Labelled(table=(float(number),))) for number in range(5)}
    assert len(keys) == 5
    assert backend_key(Labelled(table=(1.0,))) in keys
    assert backend_key(Dense(tile=64)) != backend_key(Dense(tile=65))
    assert backend_of(backend_key(Dense(tile=64))) == Dense(tile=64)


def test_backends_that_are_named_are_bounded_too():
    for repetitions in range(1, 1200):
        backend_key(Auto(repetitions=repetitions))
    assert len(_instances) <= MAX_INSTANCES
    with pytest.raises(BackendError, match="forgotten"):
        backend_of("dense-of-long-ago")
