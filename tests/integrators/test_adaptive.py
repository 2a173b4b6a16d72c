import pytest
import torch

from interflow import (
    AdaptiveRungeKutta,
    ArgumentError,
    ExternalEnergy,
    InteractionEnergy,
    InterflowError,
    LogarithmicKernel,
    ParticleSystem,
    ReflectingBoundary,
    State,
)
from interflow.integrators import adaptive
from tests.flows import Spring, cloud, masses, repulsion

EMBEDDED_METHODS = ["dormand_prince", "bogacki_shampine"]


def count_evaluations(tolerance, method, step_size=1.0, steps=1):
    calls = []
    energy = ExternalEnergy(lambda x: (calls.append(1), x.square().sum(-1).square())[1])
    integrator = AdaptiveRungeKutta(
        step_size, relative_tolerance=tolerance, absolute_tolerance=tolerance, method=method
    )
    ParticleSystem(cloud(), energy=energy, integrator=integrator).simulate(steps, progress=False)
    return len(calls)


@pytest.mark.parametrize("method", EMBEDDED_METHODS)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7, 1e-9])
def test_the_error_of_a_contracting_flow_stays_under_the_tolerance(method, tolerance):
    positions, weights = cloud(), masses()
    mean = (weights[:, None] * positions).sum(0)
    integrator = AdaptiveRungeKutta(0.4, relative_tolerance=tolerance, absolute_tolerance=tolerance, method=method)
    system = ParticleSystem(positions, energy=InteractionEnergy(Spring()), integrator=integrator, weights=weights)
    solution = system.simulate(4, save_every=1, progress=False)
    exact = mean + (-2.0 * solution.times).exp()[:, None, None] * (positions - mean)
    assert (solution.positions - exact).abs().max() < 2 * tolerance


@pytest.mark.parametrize("method", EMBEDDED_METHODS)
def test_a_tighter_tolerance_costs_more_velocities(method):
    assert count_evaluations(1e-4, method) < count_evaluations(1e-7, method) < count_evaluations(1e-10, method)


def test_a_method_of_higher_order_needs_fewer_velocities_for_tight_tolerances():
    assert count_evaluations(1e-10, "dormand_prince") < count_evaluations(1e-10, "bogacki_shampine") / 3


def test_the_substep_found_in_one_step_is_where_the_next_begins():
    integrator = AdaptiveRungeKutta(1.0, relative_tolerance=1e-9)
    system = ParticleSystem(cloud(), energy=30.0 * repulsion(), integrator=integrator)
    start = system.state.carry["adaptive_substep"]
    state = system.simulate(1, progress=False).final
    assert state.carry["adaptive_substep"] != start
    again = system.step(state.replace(carry={}))
    onwards = system.step(state)
    assert not torch.equal(again.positions, onwards.positions)
    torch.testing.assert_close(again.positions, onwards.positions, rtol=1e-7, atol=1e-7)


def test_a_step_that_its_end_cuts_short_does_not_shrink_the_next():
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=AdaptiveRungeKutta(0.001))
    carry = {"adaptive_substep": torch.tensor(1.0), "adaptive_error": torch.tensor(1.0)}
    assert system.step(system.state.replace(carry=carry)).carry["adaptive_substep"] >= 1.0


def test_frames_lie_at_multiples_of_the_step_size():
    system = ParticleSystem(cloud(), energy=30.0 * repulsion(), integrator=AdaptiveRungeKutta(0.25))
    times = system.simulate(4, save_every=1, progress=False).times
    torch.testing.assert_close(times, 0.25 * torch.arange(5, dtype=torch.float64), rtol=0.0, atol=1e-15)


def test_the_derivative_by_the_step_size_is_the_velocity_at_the_end():
    integrator = AdaptiveRungeKutta(0.5, relative_tolerance=1e-10, learnable=True)
    system = ParticleSystem(cloud(), energy=30.0 * repulsion(), integrator=integrator)
    end = system.rollout(1).positions[-1]
    (slope,) = torch.autograd.grad(end[2, 1], integrator.log_step_size)
    torch.testing.assert_close(slope / 0.5, system.energy.velocity(end)[2, 1].detach(), rtol=1e-6, atol=1e-9)


def test_a_collision_in_finite_time_stops_with_the_reason():
    pair = torch.tensor([[0.0], [0.1]], dtype=torch.float64)
    collapse = ParticleSystem(pair, energy=-InteractionEnergy(LogarithmicKernel()), integrator=AdaptiveRungeKutta(1.0))
    with pytest.raises(InterflowError, match="step 1"):
        collapse.simulate(1, progress=False)
    assert torch.equal(collapse.state.positions, pair)


def test_a_velocity_that_jumps_stops_with_the_reason(monkeypatch):
    monkeypatch.setattr(adaptive, "MAX_TRIALS", 300)
    ridge = ExternalEnergy(lambda x: x.abs().sum(-1))
    integrator = AdaptiveRungeKutta(1.0, relative_tolerance=1e-9, absolute_tolerance=1e-9)
    system = ParticleSystem(torch.tensor([[0.3]], dtype=torch.float64), energy=ridge, integrator=integrator)
    with pytest.raises(InterflowError, match="jumps"):
        system.simulate(1, progress=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("method", {"method": "euler"}),
        ("relative_tolerance", {"relative_tolerance": 0.0}),
        ("absolute_tolerance", {"absolute_tolerance": -1.0}),
    ],
)
def test_what_cannot_be_used_is_named(name, options):
    with pytest.raises(ArgumentError) as caught:
        AdaptiveRungeKutta(0.1, **options)
    assert caught.value.argument == name


@pytest.mark.parametrize("method", EMBEDDED_METHODS)
def test_a_step_that_bounces_off_a_wall_midway_is_two_steps_with_a_pause_at_the_wall(method):
    steep = ExternalEnergy(lambda x: -3.0 * x.pow(3).sum(-1), boundary=ReflectingBoundary(-0.5, 0.75))
    start = torch.tensor([[0.7, -0.3], [0.1, 0.72]], dtype=torch.float64)

    def run(length, steps):
        integrator = AdaptiveRungeKutta(length, relative_tolerance=0.1, absolute_tolerance=0.1, method=method)
        system = ParticleSystem(start, energy=steep, integrator=integrator)
        carry = {**system.state.carry, "adaptive_substep": torch.tensor(1 / 64, dtype=torch.float64)}
        system.state = system.state.replace(carry=carry)
        return system.simulate(steps, save_every=1, progress=False).positions

    whole, halves = run(1 / 32, 1), run(1 / 64, 2)
    assert bool((halves[1] < halves[0]).any())  # a wall was met, and there is a way to go from it
    torch.testing.assert_close(whole[-1], halves[-1], rtol=0.0, atol=1e-15)


class QuarterTurns:
    """Circling at a speed that depends on the radius, in a plane of which a quarter is kept: velocities turn in a wrap.

    What is wrapped goes on as it would have gone, turned by 90°.
    """

    def velocity(self, state):
        x, y = state.positions.unbind(-1)
        speed = 1.0 + x.square() + y.square()
        return torch.stack([-speed * y, speed * x], -1)

    def wrap(self, positions):
        for _ in range(4):
            x, y = positions.unbind(-1)
            outside = ((x < 0) | (y < 0))[:, None]
            positions = torch.where(outside, torch.stack([y, -x], -1), positions)
        return positions

    def reflect(self, positions, velocities):
        return self.wrap(positions), velocities


def test_a_run_that_is_wrapped_is_the_exact_one_wrapped():
    tolerance, dynamics, start = 1e-4, QuarterTurns(), State(cloud(), masses())
    integrator = AdaptiveRungeKutta(2.0, relative_tolerance=tolerance, absolute_tolerance=tolerance)
    found = integrator.step(integrator.init(start), dynamics, None).positions
    angle = 2.0 * (1.0 + start.positions.square().sum(-1))
    x, y = start.positions.unbind(-1)
    turned = torch.stack([angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y], -1)
    assert (found - dynamics.wrap(turned)).abs().max() < 20 * tolerance
