"""The observed order of the deterministic fixed-step methods, in float64 in open space."""

import math

import pytest
import torch

from interflow import (
    AdaptiveRungeKutta,
    Euler,
    ExternalEnergy,
    Heun,
    Integrator,
    InteractionEnergy,
    Momentum,
    NamedOptimizer,
    ParticleSystem,
    RungeKutta4,
)
from tests.flows import Spring, cloud, masses, repulsion, well

METHODS = [
    (Euler, 1),
    (Heun, 2),
    (RungeKutta4, 4),
    (lambda h: Momentum(h, friction=1.5), 2),
    (lambda h: Momentum(h, friction=0.0), 2),
    (lambda h: NamedOptimizer("sgd", learning_rate=h), 1),
]


def end(energy, integrator, steps):
    system = ParticleSystem(3.0 * cloud(), energy=energy, integrator=integrator, weights=masses())
    return system.simulate(steps, progress=False).positions[-1]


def observed_order(energy, method, exact, steps):
    errors = [(end(energy, method(1.0 / n), n) - exact).norm().item() for n in (steps, 2 * steps)]
    return math.log2(errors[0] / errors[1])


@pytest.mark.parametrize(("method", "order"), [METHODS[i] for i in (0, 1, 2, 5)])
def test_springs_relax_to_their_mean_at_the_order_of_the_method(method, order):
    positions, weights = 3.0 * cloud(), masses()
    mean = (weights[:, None] * positions).sum(0)
    exact = mean + math.exp(-2.0) * (positions - mean)
    assert abs(observed_order(InteractionEnergy(Spring()), method, exact, steps=40) - order) < 0.1


@pytest.mark.parametrize("friction", [0.0, 0.5])
def test_a_damped_oscillator_is_followed_at_order_two(friction):
    positions = 3.0 * cloud()
    omega = math.sqrt(1.0 - friction**2 / 4)
    phase = math.cos(omega) + friction / (2 * omega) * math.sin(omega)
    exact = positions * math.exp(-friction / 2) * phase
    order = observed_order(well(), lambda h: Momentum(h, friction), exact, steps=20)
    assert abs(order - 2) < 0.1


@pytest.mark.parametrize(("method", "order"), METHODS)
def test_a_nonlinear_flow_is_followed_at_the_order_of_the_method(method, order):
    quartic = ExternalEnergy(lambda x: x.square().sum(-1).square() / 40)
    energy = 3.0 * repulsion(sigma=1.0) + quartic
    exact = end(energy, reference(method), 64)
    assert abs(observed_order(energy, method, exact, steps=32) - order) < 0.1


def reference(method):
    """A far more accurate integrator of the same motion, for 64 steps."""
    if isinstance(method(1.0), Momentum):
        return OscillatorRungeKutta4(1 / 64, friction=method(1.0).friction.item())
    return AdaptiveRungeKutta(1 / 64, relative_tolerance=1e-12, absolute_tolerance=1e-12)


class OscillatorRungeKutta4(Integrator):
    """The classical Runge–Kutta method on ``ẋ = u, u̇ = v(x) − γu``."""

    def __init__(self, step_size, friction):
        super().__init__()
        self.step_size, self.friction = step_size, friction

    def init(self, state):
        return state.replace(velocities=torch.zeros_like(state.positions))

    def step(self, state, dynamics, generator):
        def slope(x, u):
            return u, dynamics.velocity(state.replace(positions=x)) - self.friction * u

        h, x, u = self.step_size, state.positions, state.velocities
        slopes = [slope(x, u)]
        for fraction in (0.5, 0.5, 1.0):
            slopes.append(slope(x + fraction * h * slopes[-1][0], u + fraction * h * slopes[-1][1]))
        x, u = (
            start + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4) for start, k1, k2, k3, k4 in zip((x, u), *slopes, strict=True)
        )
        return state.replace(positions=x, velocities=u, time=state.time + h, step=state.step + 1)


def test_time_is_the_number_of_steps_times_the_step_size():
    for method, _ in METHODS:
        system = ParticleSystem(cloud(), energy=well(), integrator=method(0.125))
        assert torch.equal(system.simulate(8, progress=False).times, torch.tensor([0.0, 1.0], dtype=torch.float64))
