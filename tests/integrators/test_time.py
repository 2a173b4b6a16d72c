"""Flows that change with time are followed at the order of the method: each velocity is that of its own time."""

import math

import pytest
import torch

from interflow import AdaptiveRungeKutta, Euler, EulerMaruyama, Heun, Momentum, Nesterov, RungeKutta4, State
from tests.flows import cloud, generator, masses

BEGIN, LENGTH = 0.4, 1.0


class Tide:
    """``v = cos 2t − x`` in open space; remembers when it was asked."""

    def __init__(self):
        self.times = []

    def velocity(self, state):
        self.times.append(state.time.item())
        return (2.0 * state.time).cos() - state.positions

    def wrap(self, positions):
        return positions

    def reflect(self, positions, velocities):
        return positions, velocities


def forced(time):
    """The motion of first order that forgot its start."""
    return (math.cos(2.0 * time) + 2.0 * math.sin(2.0 * time)) / 5.0


def forced_and_damped(time):
    """That of second order with friction 1: ``ẍ = cos 2t − x − ẋ``, with its velocity."""
    position = (-3.0 * math.cos(2.0 * time) + 2.0 * math.sin(2.0 * time)) / 13.0
    return position, (6.0 * math.sin(2.0 * time) + 4.0 * math.cos(2.0 * time)) / 13.0


def end(integrator, state, steps):
    state = integrator.init(state)
    for _ in range(steps):
        state = integrator.step(state, Tide(), generator())
    return state


def first_order_error(integrator, steps):
    start = State(cloud(), masses(), time=BEGIN)
    final = end(integrator, start, steps)
    decayed = forced(BEGIN + LENGTH) + math.exp(-LENGTH) * (start.positions - forced(BEGIN))
    return (final.positions - decayed).abs().max().item()


@pytest.mark.parametrize(
    ("method", "order"), [(Euler, 1), (lambda h: EulerMaruyama(h, temperature=0.0), 1), (Heun, 2), (RungeKutta4, 4)]
)
def test_a_flow_that_changes_with_time_is_followed_at_the_order_of_the_method(method, order):
    errors = [first_order_error(method(LENGTH / steps), steps) for steps in (20, 40)]
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.1


@pytest.mark.parametrize("method", ["dormand_prince", "bogacki_shampine"])
def test_a_flow_that_changes_with_time_is_followed_within_the_tolerance(method):
    integrator = AdaptiveRungeKutta(LENGTH / 2, relative_tolerance=1e-8, absolute_tolerance=1e-8, method=method)
    assert first_order_error(integrator, 2) < 1e-7


def test_a_motion_with_inertia_under_a_force_that_changes_with_time_is_followed_at_order_two():
    position, velocity = forced_and_damped(BEGIN)
    start = State(
        torch.full((1, 1), position).double(), torch.ones(1).double(), torch.full((1, 1), velocity).double(), BEGIN
    )
    wanted = torch.tensor(forced_and_damped(BEGIN + LENGTH), dtype=torch.float64)
    errors = []
    for steps in (20, 40):
        final = end(Momentum(LENGTH / steps, friction=1.0), start, steps)
        errors.append((torch.stack([final.positions[0, 0], final.velocities[0, 0]]) - wanted).norm().item())
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.1


@pytest.mark.parametrize("integrator", [Momentum(0.25, friction=0.5), Nesterov(0.25)], ids=["momentum", "nesterov"])
def test_a_ball_is_pushed_once_a_step_in_the_middle_of_its_time(integrator):
    tide, state = Tide(), integrator.init(State(cloud(), masses(), time=BEGIN))
    for _ in range(2):
        state = integrator.step(state, tide, None)
    assert tide.times == pytest.approx([BEGIN + 0.125, BEGIN + 0.375], rel=1e-14)
