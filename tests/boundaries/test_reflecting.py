from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interflow.boundaries import ReflectingBoundary
from interflow.errors import ArgumentError

BOX = ReflectingBoundary(-1.0, 0.5)


def billiard(x: float, v: float, lower: float, upper: float) -> tuple[float, float]:
    """One mirror after the other."""
    while not lower <= x <= upper:
        x, v = (2 * lower - x if x < lower else 2 * upper - x), -v
    return x, v


@given(x=st.floats(-40, 40), v=st.floats(-5, 5))
def test_reflect_is_a_billiard(x: float, v: float) -> None:
    position, velocity = BOX.reflect(*(torch.tensor([value], dtype=torch.float64) for value in (x, v)))
    expected_position, expected_velocity = billiard(x, v, -1.0, 0.5)
    assert position.item() == pytest.approx(expected_position, abs=1e-12)
    if min(abs(expected_position + 1.0), abs(expected_position - 0.5)) > 1e-9:  # at a wall a bounce more or less is one
        assert velocity.item() == expected_velocity


@given(
    x=st.floats(-1e4, 1e4),
    lower=st.floats(-100, 100),
    length=st.floats(1e-2, 100),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32, torch.float64]),
)
@settings(max_examples=300)
def test_wrap_lands_between_the_walls(x: float, lower: float, length: float, dtype: torch.dtype) -> None:
    box = ReflectingBoundary(lower, lower + length)
    assume(bool(box.lower.to(dtype) < box.upper.to(dtype)))
    wrapped = box.wrap(torch.tensor([x]).to(dtype))
    assert wrapped.dtype == dtype
    assert bool(box.lower.to(dtype) <= wrapped)
    assert bool(wrapped <= box.upper.to(dtype))


def test_a_free_flight_in_steps_is_the_free_flight_at_once() -> None:
    x, v = torch.tensor([[0.1, -0.4]], dtype=torch.float64), torch.tensor([[0.83, -2.3]], dtype=torch.float64)
    at_once = BOX.wrap(x + 10.0 * v)
    for _ in range(100):
        x, v = BOX.reflect(x + 0.1 * v, v)
    torch.testing.assert_close(x, at_once, rtol=0, atol=1e-12)


def test_points_just_outside_a_wall_bounce_whatever_the_rounding() -> None:
    box, v = ReflectingBoundary(0.0, 1.0), torch.ones(1)
    long = ReflectingBoundary(-1000.0, 0.5)
    beyond = torch.nextafter(torch.tensor([0.5]), torch.ones(1))  # further from the lower wall by less than an ulp
    assert long.reflect(beyond, v)[1].item() == -1.0
    for outside in (torch.nextafter(torch.ones(1), torch.full((1,), 2.0)), torch.tensor([-1e-30])):
        _, velocity = box.reflect(outside, v)
        assert velocity.item() == -1.0


def test_walls_belong_to_the_box() -> None:
    walls = torch.tensor([-1.0, 0.5])
    position, velocity = BOX.reflect(walls, torch.ones(2))
    assert torch.equal(position, walls)
    assert torch.equal(velocity, torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_wrap_leaves_points_of_the_box_to_the_bit(dtype: torch.dtype) -> None:
    inside = torch.linspace(0.3, 1.0, 1000, dtype=torch.float64)[5:-5].to(dtype)
    box = ReflectingBoundary(0.3, 1.0)
    assert torch.equal(box.wrap(inside), inside)


def test_displacement_is_straight() -> None:
    assert BOX.displacement(torch.tensor([0.4]), torch.tensor([-0.9])).item() == pytest.approx(1.3)
    assert BOX.half_period() is None


@pytest.mark.parametrize("upper", [0.0, -1.0, math.nan, math.inf, "high", torch.tensor([1.0, 0.0]), torch.ones(2, 2)])
def test_upper_corner_must_be_above_the_lower_one(upper) -> None:
    with pytest.raises(ArgumentError, match="`upper`"):
        ReflectingBoundary(0.0, upper)


def test_corners_must_have_as_many_axes() -> None:
    with pytest.raises(ArgumentError, match="`upper`: got 3 numbers, wanted 2, as many as `lower` has"):
        ReflectingBoundary(torch.zeros(2), torch.ones(3))
    with pytest.raises(ArgumentError, match="`positions`"):
        ReflectingBoundary(torch.zeros(2), 1.0).check_dimension(3)
