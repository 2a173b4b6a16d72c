"""Within a tolerance `auto` may approximate, without one it may not; and a broken promise is found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch

from interflow import DistanceKernel, GaussianKernel, PeriodicBoundary, explain, field, potential, potential_and_field
from interflow.errors import ArgumentError, BackendError, PromiseError
from interflow.sums import Auto, Dense, Fourier, Nufft, Sorted, backends_used, register_backend
from interflow.sums.api import prepare
from interflow.sums.autograd import EVALUATORS
from interflow.sums.backends import FastBackend, base
from interflow.sums.pairsum import PairSum

KERNEL, TORUS = GaussianKernel(0.05), PeriodicBoundary(1.0, images="all")
X = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0))


def question(tolerance: float | None) -> PairSum:
    return prepare(KERNEL, X, X, boundary=TORUS, tolerance=tolerance).asked(order=1)


def test_auto_approximates_within_a_tolerance_and_never_without_one():
    assert Auto().select(question(None)) == Auto()
    chosen = Auto().select(question(1e-4))
    assert chosen != Auto()
    assert chosen.error_bound(question(1e-4)) <= 1e-4


def test_the_explanation_names_what_runs_and_why_others_cannot():
    within, exact = (explain(KERNEL, X, X, boundary=TORUS, tolerance=tolerance) for tolerance in (1e-4, None))
    assert within.backend in ("fourier", "nufft")
    assert exact.backend in ("dense", "compiled", "keops")
    assert "fourier  cannot: it approximates, and no tolerance was given" in str(exact).replace("   ", "  ")


def test_a_few_points_are_summed_exactly_whatever_the_tolerance():
    few = X[:100]
    assert torch.equal(
        potential(KERNEL, few, few, boundary=TORUS, tolerance=0.5), potential(KERNEL, few, few, boundary=TORUS)
    )


class OnCuda(PairSum):
    """A sum that says of itself that its points are on a GPU."""

    device = "cuda"


def test_a_deterministic_choice_leaves_out_what_does_not_repeat():
    on_cuda = OnCuda(**vars(question(1e-4)))
    assert not Nufft().is_deterministic(on_cuda)
    assert Fourier().is_deterministic(on_cuda)
    chosen = Auto(deterministic=True).select(on_cuda)
    assert chosen.is_deterministic(on_cuda)


@pytest.mark.parametrize("self_pairs", [True, False])
def test_a_check_passes_where_the_promise_is_kept(self_pairs):
    options = {"boundary": TORUS, "self_pairs": self_pairs, "backend": "fourier", "tolerance": 1e-4, "check": True}
    few = X[:1000]
    potential(KERNEL, few, few, **options)
    field(KERNEL, few, few, **options)
    potential_and_field(KERNEL, few, few, **options)


@pytest.mark.parametrize("total", [potential, field, potential_and_field])
def test_a_check_finds_a_broken_promise(total, monkeypatch):
    gradient, both, value = Fourier.gradient_of_all, Fourier.potential_and_gradient_of_all, Fourier.potential_of_all
    monkeypatch.setattr(Fourier, "gradient_of_all", lambda self, data: 1.01 * gradient(self, data))
    monkeypatch.setattr(Fourier, "potential_of_all", lambda self, data: 1.01 * value(self, data))
    monkeypatch.setattr(
        Fourier, "potential_and_gradient_of_all", lambda self, data: tuple(1.01 * part for part in both(self, data))
    )
    few = X[:1000]
    with pytest.raises(PromiseError, match=r"off by .* a tolerance of 1.0e-04 allows"):
        total(KERNEL, few, few, boundary=TORUS, backend="fourier", tolerance=1e-4, check=True)


def test_a_named_approximation_that_predicts_hours_is_refused_with_the_time_and_an_option_lets_it_go_on():
    asked = prepare(DistanceKernel(), X, X, backend="sorted", tolerance=1e-5).asked(order=1)
    with pytest.raises(BackendError, match=r"predicts .* s, more than 600; .*Sorted\(longest=math.inf\)"):
        Sorted().select(asked)
    assert Sorted(longest=math.inf).select(asked) == Sorted(longest=math.inf)
    for backend in (Sorted, Fourier, Nufft):
        with pytest.raises(ArgumentError, match="longest"):
            backend(longest=0.0)


def test_no_series_is_settled_where_no_tolerance_was_given(monkeypatch):
    monkeypatch.setattr("interflow.sums.backends.series.settle", None)
    asked = question(None)
    for backend in (Fourier(), Nufft()):
        assert "no tolerance was given" in backend.unsupported_reason(asked)
        assert backend.run_seconds(asked) == math.inf
    explain(KERNEL, X, X, boundary=TORUS)


class Fake(FastBackend):
    """An approximation with an error, a time and bits of its own."""

    def __init__(self, error: float, seconds: float, repeatable: bool = True) -> None:
        self.error, self.time, self.repeatable = error, seconds, repeatable

    def unsupported_reason(self, request):
        return None

    def error_bound(self, request):
        return self.error

    def run_seconds(self, request):
        return self.time

    def is_deterministic(self, pairs):
        return self.repeatable

    def potential_of_all(self, pairs):
        raise NotImplementedError

    gradient_of_all = potential_of_all


def test_auto_takes_the_cheapest_that_promises_the_tolerance_and_repeats_where_that_is_asked(monkeypatch):
    asked = question(1e-4)
    worse, fast, slow = Fake(1.01e-4, 1e-9), Fake(1e-4, 1e-6, repeatable=False), Fake(0.0, 1e-5)
    monkeypatch.setattr("interflow.sums.backends.auto.candidates", lambda: (Dense(), worse, slow, fast))
    assert Auto().select(asked) is fast
    assert Auto(deterministic=True).select(asked) is slow
    assert Auto().select(question(None)) is slow
    monkeypatch.setattr("interflow.sums.backends.auto.candidates", lambda: (Dense(), worse))
    assert Auto().select(asked) == Auto()


@dataclass(frozen=True)
class Instant(Dense):
    """A backend of a user's own that predicts to take no time."""

    name = "instant"

    def run_seconds(self, pairs):
        return 0.0


def test_a_backend_of_ones_own_is_one_class_and_one_registration():
    few = X[:50]
    with pytest.raises(ArgumentError, match=r"backend.*'instant'.*dense"):
        potential(KERNEL, few, few, backend="instant")
    assert register_backend(Instant) is Instant
    try:
        for backend in ("instant", "auto", Instant()):
            with backends_used() as used:
                potential(KERNEL, few, few, backend=backend)
            assert dict(used) == {"instant": 1}
        assert explain(KERNEL, few, few).backend == "instant"
        with pytest.raises(ArgumentError, match="no other backend has"):
            register_backend(type("Other", (Instant,), {}))
    finally:
        for table in (base.BACKENDS, base._named, EVALUATORS):
            table.pop("instant", None)
    with backends_used() as used:
        potential(KERNEL, few, few)
    assert dict(used) == {"dense": 1}
