from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interflow.boundaries import PeriodicBoundary
from interflow.errors import ArgumentError
from tests.boundaries.cases import scattered

TORUS = PeriodicBoundary(1.0)


def test_displacement_is_the_seeds_formula_away_from_ties() -> None:
    x, y = scattered(1000, seed=0), scattered(1000, seed=1)
    seed = torch.remainder(x - y - 0.5, 1.0) - 0.5
    away = (seed.abs() - 0.5).abs() > 1e-9
    torch.testing.assert_close(TORUS.displacement(x, y)[away], seed[away], rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_wrap_leaves_points_of_the_cell_to_the_bit(dtype: torch.dtype) -> None:
    x = torch.linspace(0.3, 1.0, 1000, dtype=torch.float64)[1:-5].to(dtype)
    torus = PeriodicBoundary(0.7, lower=0.3)
    inside = x[(x >= torch.tensor(0.3).to(dtype)) & (x < 1.0)]
    assert torch.equal(torus.wrap(inside), inside)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("length", "lower"), [(1.0, 0.0), (0.7, 0.3), (0.1, -0.05), (3.3, -7.7)])
def test_a_point_is_wrapped_alone_as_it_is_among_others(length: float, lower: float, dtype: torch.dtype) -> None:
    torus, ends = PeriodicBoundary(length, lower=lower), torch.tensor([lower, lower + length]).to(dtype)
    near = [torch.nextafter(ends, torch.full_like(ends, end)) for end in (-math.inf, math.inf)]
    x = torch.cat([ends, *near, torch.tensor([lower + 0.5 * length, 1e3]).to(dtype)])[:, None]
    assert torch.equal(torch.cat([torus.wrap(point[None]) for point in x]), torus.wrap(x))


def test_wrap_is_the_seeds_remainder() -> None:
    x = scattered(1000, seed=0)
    torch.testing.assert_close(TORUS.wrap(x), torch.remainder(x, 1.0), rtol=0, atol=0)


@pytest.mark.parametrize("length", [1.0, 3.0, 0.1, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ties_are_antisymmetric_and_half_a_period_long(length: float, dtype: torch.dtype) -> None:
    torus, periods = PeriodicBoundary(length), torch.arange(-4, 5).to(dtype)[:, None]
    x, y = (periods + 0.5) * length, torch.zeros(9, 1, dtype=dtype)
    there, back = torus.displacement(x, y), torus.displacement(y, x)
    assert torch.equal(there, -back)
    torch.testing.assert_close(there.abs(), torch.full_like(there, length / 2), rtol=1e-5, atol=0)


@given(x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3), length=st.floats(1e-2, 1e2))
def test_displacement_is_never_longer_than_half_a_period(x: float, y: float, length: float) -> None:
    points = (torch.tensor([value], dtype=torch.float64) for value in (x, y))
    assert PeriodicBoundary(length).displacement(*points).abs() <= length / 2 + 1e-12 * (abs(x) + abs(y))


@given(
    x=st.floats(-1e6, 1e6, width=32),
    lower=st.floats(-1e3, 1e3),
    length=st.floats(1e-3, 1e3),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32, torch.float64]),
)
@settings(max_examples=300)
def test_wrap_lands_in_the_half_open_cell(x: float, lower: float, length: float, dtype: torch.dtype) -> None:
    point = torch.tensor([x]).to(dtype).clamp(-6e4, 6e4)
    wrapped = PeriodicBoundary(length, lower=lower).wrap(point)
    assert wrapped.dtype == dtype
    corner = torch.tensor(lower, dtype=torch.float64).to(dtype)
    assert bool(wrapped >= corner)
    assert bool(wrapped.double() < lower + length) or bool(wrapped == corner)


def test_shift_by_lattice_vectors_wraps_to_the_same_point() -> None:
    lengths = torch.tensor([0.7, 3.0], dtype=torch.float64)
    torus, x = PeriodicBoundary(lengths, lower=-0.2), scattered(200, seed=0)
    shifted = torus.wrap(x + lengths * torch.tensor([3.0, -2.0]))
    assert torus.displacement(shifted, torus.wrap(x)).abs().max() < 1e-12


def test_wrap_at_the_seam_has_the_slope_of_a_translation() -> None:
    x = torch.tensor([-1e-9, -0.3, 0.2, 5.1], requires_grad=True)
    (slope,) = torch.autograd.grad(TORUS.wrap(x).sum(), x)
    assert slope.tolist() == [1.0] * 4


def test_hyperparameters_can_be_changed_and_are_checked() -> None:
    torus = PeriodicBoundary(torch.tensor([1.0, 2.0]))
    torus.lengths = torch.tensor([3.0, 4.0])
    assert torus.periods(2).tolist() == [3.0, 4.0]
    assert torus.half_period() == 1.5
    for bad in (-1.0, math.nan, torch.ones(3)):
        with pytest.raises(ArgumentError, match="`lengths`"):
            torus.lengths = bad  # type: ignore[assignment]
    with pytest.raises(ArgumentError, match="`lower`"):
        torus.lower = math.inf  # type: ignore[assignment]


def test_one_length_serves_any_dimension_and_several_only_theirs() -> None:
    TORUS.check_dimension(1)
    TORUS.check_dimension(9)
    cell = PeriodicBoundary(torch.ones(3))
    cell.check_dimension(3)
    with pytest.raises(ArgumentError, match="`positions`: got 2 coordinates a point, wanted 3, as many as `lengths`"):
        cell.check_dimension(2)


@pytest.mark.parametrize("lengths", [0.0, -1.0, math.nan, "long", None, torch.ones(2, 2), torch.tensor([1.0, -1.0])])
def test_lengths_must_be_positive_numbers(lengths) -> None:
    with pytest.raises(ArgumentError, match="`lengths`"):
        PeriodicBoundary(lengths)


@pytest.mark.parametrize("lower", [math.inf, "low", torch.zeros(2, 2), torch.zeros(3)])
def test_lower_corner_must_be_finite_and_of_as_many_axes(lower) -> None:
    with pytest.raises(ArgumentError, match="`lower`"):
        PeriodicBoundary(torch.ones(2), lower=lower)
