"""What is made of potentials asks for the bound that it needs itself: fields, forms and discrepancies."""

from __future__ import annotations

import pytest
import torch

from interflow import DistanceKernel, GaussianKernel, PeriodicBoundary, sums
from interflow.discrepancies import MMD, EnergyDistance
from interflow.sums import PairSum, Sorted, field, potential, potential_and_field
from interflow.sums.backends import sorted as by_slices
from interflow.sums.series import Series
from tests.sums.cases import cloud

X, Y = cloud(40, 2, 1), cloud(30, 2, 2)


@pytest.mark.parametrize(("ask", "order"), [(potential, 0), (field, 1), (potential_and_field, 1)])
def test_a_field_is_held_to_the_promise_of_fields(ask, order, monkeypatch):
    asked = []
    original = sums.Auto.select

    def select(backend, pairs):
        asked.append(pairs.order)
        return original(backend, pairs)

    monkeypatch.setattr(sums.Auto, "select", select)
    ask(GaussianKernel(0.2), X, Y)
    assert asked == [order]


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4])
def test_slices_of_a_discrepancy_are_right_to_half_of_its_tolerance(tolerance, monkeypatch):
    counts = []
    original = by_slices.drawn

    def drawn(count, *rest):
        counts.append(count)
        return original(count, *rest)

    monkeypatch.setattr(by_slices, "drawn", drawn)
    EnergyDistance(backend=Sorted(), tolerance=tolerance)(X, Y)
    potential(DistanceKernel(), X, Y, backend=Sorted(), tolerance=tolerance)
    of_form, of_potential = (by_slices.planar_error(count) for count in counts)
    # of D = 2C − S slices right to ε change at most ε (2C + S) = ε (D + 2S), which tolerance · (D + 0.01 S) covers
    assert of_form * 2.0 <= tolerance * 0.01
    assert of_potential <= tolerance * 0.01 < of_potential * 2.0


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_a_velocity_by_modes_is_right_to_the_mass_of_both_measures(estimator, monkeypatch):
    masses = []
    original = Series.gradient

    def gradient(series, points, spectrum, mass=None):
        masses.append(mass)
        return original(series, points, spectrum, mass)

    monkeypatch.setattr(Series, "gradient", gradient)
    loss = MMD(
        GaussianKernel(0.1),
        boundary=PeriodicBoundary(1.0, images="all"),
        estimator=estimator,
        backend="nufft",
        tolerance=1e-4,
    )
    loss.velocity(X, Y)
    factor = 1.0 if estimator == "biased" else len(X) / (len(X) - 1)
    (mass,) = masses
    assert torch.allclose(mass.double(), torch.tensor(factor + 1.0, dtype=torch.float64))


@pytest.mark.parametrize(
    "ask", [MMD.forward, MMD.relative, MMD.velocity, MMD.value_and_velocity], ids=lambda ask: ask.__name__
)
def test_auto_sums_the_potentials_of_a_discrepancy_exactly_whatever_its_tolerance(ask, monkeypatch):
    tolerances = []
    original = PairSum.of

    def of(*arguments, tolerance, **options):
        tolerances.append(tolerance)
        return original(*arguments, tolerance=tolerance, **options)

    monkeypatch.setattr(PairSum, "of", of)
    monkeypatch.setattr(sums, "distance_series", lambda *arguments, **options: None)  # there is none
    ask(MMD(DistanceKernel(), tolerance=1e-2), X, Y)
    assert set(tolerances) == {None}
    tolerances.clear()
    ask(MMD(DistanceKernel(), tolerance=1e-2, backend=Sorted()), X, Y)
    assert set(tolerances) == {1e-2}
