"""Integrals against a discrete measure, and the velocity of a functional of it."""

import pytest
import torch

from interflow.measures import value_and_velocity, weighted_sum, zero_where_weightless


def test_integral_is_linear_in_the_measure():
    f, a, b = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.5, 0.0, 2.0]), torch.tensor([1.0, -1.0, 0.0])
    assert weighted_sum(f, a).item() == 8.5
    torch.testing.assert_close(weighted_sum(f, a + 2 * b), weighted_sum(f, a) + 2 * weighted_sum(f, b))


def test_uniform_measure_has_total_mass_one():
    assert weighted_sum(torch.full((7,), 3.0), None).item() == pytest.approx(3.0)
    assert weighted_sum(torch.zeros(0), None).item() == 0.0


def test_integral_of_a_batch():
    torch.testing.assert_close(weighted_sum(torch.ones(2, 3), torch.full((2, 3), 2.0)), torch.full((2,), 6.0))


def test_points_without_mass_rest():
    velocity = zero_where_weightless(torch.ones(2, 3), torch.tensor([0.0, -1.0]))
    assert velocity.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]  # of a signed measure both parts move


def test_velocity_of_the_second_moment_is_minus_twice_the_position_whatever_the_masses():
    x, a = torch.tensor([[1.0, -2.0], [3.0, 0.5], [0.7, 4.0]]), torch.tensor([0.2, 5.0, -0.3])
    value, velocity = value_and_velocity(lambda p: (a * p.square().sum(-1)).sum(), x, a)
    torch.testing.assert_close(value, (a * x.square().sum(-1)).sum(), check_stride=False)
    torch.testing.assert_close(velocity, -2 * x)
