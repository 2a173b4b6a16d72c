import math

import pytest
import torch

from interflow import ArgumentError, ExternalEnergy, InteractionEnergy, Momentum, ParticleSystem, ReflectingBoundary
from tests.flows import Spring, cloud, masses, repulsion


def test_total_momentum_decays_with_the_friction_and_nothing_else():
    weights, friction = masses(), 0.7
    system = ParticleSystem(
        cloud(), energy=repulsion(), integrator=Momentum(0.1, friction), weights=weights, velocities=cloud(seed=1)
    )
    solution = system.simulate(20, save_every=4, progress=False)
    momenta = (weights[:, None] * solution.velocities).sum(1)
    decay = (-friction * solution.times).exp()[:, None]
    torch.testing.assert_close(momenta, decay * momenta[0], rtol=1e-12, atol=1e-14)


def test_without_friction_turned_velocities_lead_back():
    system = ParticleSystem(
        cloud(), energy=repulsion(), integrator=Momentum(0.05, friction=0.0), velocities=cloud(seed=1)
    )
    start = system.state
    system.simulate(50, progress=False)
    system.state = system.state.replace(velocities=-system.state.velocities)
    system.simulate(50, progress=False)
    torch.testing.assert_close(system.state.positions, start.positions, rtol=0.0, atol=1e-12)
    torch.testing.assert_close(system.state.velocities, -start.velocities, rtol=0.0, atol=1e-12)


def test_without_friction_the_total_energy_stays_near_its_start_over_many_oscillations():
    system = ParticleSystem(cloud(), energy=InteractionEnergy(Spring()), integrator=Momentum(0.05, friction=0.0))
    solution = system.simulate(2000, save_every=10, progress=False)
    kinetic = 0.5 * (solution.weights[:, None] * solution.velocities.square()).sum((1, 2))
    total = solution.energies + kinetic
    assert (total - total[0]).abs().max() < 2e-3 * total[0]


def test_friction_brings_the_particles_to_rest_in_a_minimum():
    system = ParticleSystem(cloud(), energy=InteractionEnergy(Spring()), integrator=Momentum(0.1, friction=2.0))
    final = system.simulate(400, progress=False).final
    assert final.velocities.abs().max() < 1e-8
    assert (final.positions - final.positions.mean(0)).abs().max() < 1e-8


def test_the_middles_of_the_steps_are_polyaks_heavy_ball():
    step_size, friction = 0.1, 1.3
    momentum = math.exp(-friction * step_size)
    rate = step_size**2 * math.exp(-friction * step_size / 2)
    system = ParticleSystem(
        cloud(), energy=repulsion(), integrator=Momentum(step_size, friction), velocities=cloud(seed=1)
    )
    solution = system.simulate(5, save_every=1, progress=False)
    middles = solution.positions + 0.5 * step_size * solution.velocities
    for before, now, after in zip(middles, middles[1:], middles[2:], strict=False):
        expected = now + momentum * (now - before) + rate * system.energy.velocity(now)
        torch.testing.assert_close(after, expected, rtol=0.0, atol=1e-14)


def test_a_wall_turns_the_velocity_round_and_keeps_the_speed():
    free = ExternalEnergy(lambda x: 0.0 * x.sum(-1), boundary=ReflectingBoundary(0.0, 1.0))
    system = ParticleSystem(
        torch.tensor([[0.9, 0.5]]), energy=free, integrator=Momentum(0.1, 0.0), velocities=torch.tensor([[2.0, 0.25]])
    )
    state = system.simulate(1, progress=False).final
    torch.testing.assert_close(state.positions, torch.tensor([[0.9, 0.525]]))
    torch.testing.assert_close(state.velocities, torch.tensor([[-2.0, 0.25]]))


def test_a_billiard_ball_never_loses_speed():
    free = ExternalEnergy(lambda x: 0.0 * x.sum(-1), boundary=ReflectingBoundary(0.0, 1.0))
    system = ParticleSystem(cloud(), energy=free, integrator=Momentum(0.1, 0.0), velocities=8.0 * cloud(seed=1) - 4.0)
    speeds = system.simulate(200, save_every=1, progress=False).velocities.abs()
    assert torch.equal(speeds, speeds[:1].expand_as(speeds))


def test_velocities_start_at_rest():
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=Momentum(0.1, 0.0))
    assert torch.equal(system.state.velocities, torch.zeros(12, 2, dtype=torch.float64))


def test_a_negative_friction_is_refused():
    with pytest.raises(ArgumentError, match="`friction`"):
        Momentum(0.1, friction=-1.0)
