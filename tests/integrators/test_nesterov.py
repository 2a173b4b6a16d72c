"""Accelerated descent has the friction 3/t of its limit, and the closed form that goes with it."""

import math

import pytest
import torch
from scipy.special import j1

import interflow as fl


def valley(*curvatures):
    """``E = ½ Σ λᵢ xᵢ²`` of one particle, at rest at 1."""
    slopes = torch.tensor(curvatures, dtype=torch.float64)
    energy = fl.ExternalEnergy(lambda x: (slopes * x.square()).sum(-1) / 2)
    return torch.ones(1, len(curvatures), dtype=torch.float64), energy


def end(step_size, steps, *curvatures):
    x, energy = valley(*curvatures)
    system = fl.ParticleSystem(x, energy=energy, integrator=fl.Nesterov(step_size))
    return system.simulate(steps, progress=False).final.positions[0]


def test_the_first_step_is_that_of_the_heavy_ball():
    x, energy = valley(1.0, 2.0)
    fast, ball = (
        fl.ParticleSystem(x, energy=energy, integrator=integrator)
        for integrator in (fl.Nesterov(step_size=0.1), fl.Momentum(step_size=0.1, friction=30.0))
    )
    torch.testing.assert_close(fast.step(fast.state).positions, ball.step(ball.state).positions)


@pytest.mark.parametrize("time", [2.0, 5.0])
def test_in_a_valley_it_moves_as_a_bessel_function(time):
    """``x(t) = 2 J₁(√λ t) / (√λ t)`` (Su, Boyd and Candès, 2016, 3.2), at order one in the step."""
    frequencies = torch.tensor([1.0, 2.0], dtype=torch.float64)
    exact = 2 * torch.from_numpy(j1((frequencies * time).numpy())) / (frequencies * time)
    errors = [(end(time / steps, steps, 1.0, 4.0) - exact).norm().item() for steps in (200, 400)]
    assert errors[0] < 0.02
    assert abs(math.log2(errors[0] / errors[1]) - 1) < 0.1


def test_along_a_flat_valley_it_is_faster_than_plain_descent():
    x, energy = valley(1.0, 0.001)
    plain = fl.ParticleSystem(x, energy=energy, integrator=fl.Euler(1.0)).simulate(100, progress=False)
    assert end(1.0, 100, 1.0, 0.001)[1].abs() < 0.3 * plain.final.positions[0, 1]
