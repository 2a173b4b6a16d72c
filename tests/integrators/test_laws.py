"""Laws that hold whatever the method."""

import pytest
import torch

from interflow import InteractionEnergy, LogarithmicKernel, ParticleSystem, PeriodicBoundary, ReflectingBoundary
from tests.flows import DETERMINISTIC, FIRST_ORDER, INTEGRATORS, cloud, generator, masses, repulsion, torus_system


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_renumbering_the_particles_renumbers_the_solution(name):
    order = torch.randperm(12, generator=generator(3))
    positions, weights = cloud(), masses()
    ends = [
        ParticleSystem(positions[index], energy=repulsion(), integrator=DETERMINISTIC[name](), weights=weights[index])
        .simulate(5, progress=False)
        .positions[-1]
        for index in (torch.arange(12), order)
    ]
    torch.testing.assert_close(ends[0][order], ends[1], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", INTEGRATORS)
@pytest.mark.parametrize("boundary", [PeriodicBoundary(1.0), ReflectingBoundary(0.0, 1.0)], ids=["torus", "box"])
def test_every_frame_lies_in_the_domain(name, boundary):
    system = ParticleSystem(
        cloud(), energy=8.0 * repulsion(boundary, sigma=0.1), integrator=INTEGRATORS[name](0.01), generator=generator()
    )
    positions = system.simulate(20, save_every=1, progress=False).positions
    assert bool(((positions >= 0.0) & (positions <= 1.0)).all())
    assert bool((positions[-1] != positions[0]).any())


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_gradient_flow_descends_its_energy(name):
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=DETERMINISTIC[name](0.02), weights=masses())
    energies = system.simulate(30, save_every=1, progress=False).energies
    assert bool((energies.diff() < 0).all())


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_symmetric_interaction_keeps_the_centre_of_mass(name):
    weights = masses()
    energy = InteractionEnergy(LogarithmicKernel(softening=0.1))
    system = ParticleSystem(cloud(), energy=energy, integrator=DETERMINISTIC[name](), weights=weights)
    positions = system.simulate(20, save_every=5, progress=False).positions
    centres = (weights[:, None] * positions).sum(1)
    torch.testing.assert_close(centres, centres[:1].expand_as(centres), rtol=0.0, atol=1e-13)


DIFFERENTIABLE = sorted(set(INTEGRATORS) - {"sgd_momentum"})


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_rollout_is_the_simulation(name):
    system, twin = (torus_system(INTEGRATORS[name]()) for _ in range(2))
    rolled = system.rollout(5, save_every=2)
    simulated = twin.simulate(5, save_every=2, progress=False)
    error = 1e-5 if name == "adam" else 1e-12  # a differentiable Adam corrects by 1 − 0.999ᵏ in float32
    torch.testing.assert_close(rolled.positions.detach(), simulated.positions, rtol=0.0, atol=error)
    torch.testing.assert_close(rolled.energies.detach(), simulated.energies, rtol=error, atol=0.0)
    assert torch.equal(rolled.times, simulated.times)
    assert system.state.step == 0
