"""Laws that hold for every energy."""

import copy

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance
from interflow.energies import DiscrepancyEnergy, Energy, ExternalEnergy, InteractionEnergy
from tests.energies.clouds import Skewed, cloud, masses, shares, velocity_from_definition

TORUS = PeriodicBoundary(1.0)
TARGET = cloud(9, seed=7)


def well(x):
    return (x - 0.3).square().sum(-1).exp()


class Variance(Energy):
    """A user's energy: only `forward`."""

    def forward(self, positions, weights=None):
        share = torch.full_like(positions[:, 0], 1 / len(positions)) if weights is None else weights / weights.sum()
        mean = (share[:, None] * positions).sum(0)
        return (share * (positions - mean).square().sum(-1)).sum()


ENERGIES = {
    "interaction": InteractionEnergy(GaussianKernel(0.4)),
    "interaction on the torus": InteractionEnergy(GaussianKernel(0.1), boundary=TORUS),
    "interaction, not symmetric": InteractionEnergy(Skewed()),
    "external": ExternalEnergy(well),
    "mmd": DiscrepancyEnergy(MMD(GaussianKernel(0.4)), TARGET),
    "mmd, unbiased": DiscrepancyEnergy(MMD(GaussianKernel(0.4), estimator="unbiased"), TARGET, shares(9, seed=3)),
    "mmd on the torus": DiscrepancyEnergy(MMD(GaussianKernel(0.1), boundary=TORUS), TARGET),
    "mmd, normalised": DiscrepancyEnergy(MMD(GaussianKernel(0.4), normalise=True), TARGET, masses(9)),
    "energy distance": DiscrepancyEnergy(EnergyDistance(), TARGET),
    "written by a user": Variance(),
    "sum": InteractionEnergy(GaussianKernel(0.4)) + 0.5 * ExternalEnergy(well),
    "scaled": -2.0 * InteractionEnergy(GaussianKernel(0.4)),
}
WEIGHTS = {"uniform": None, "weighted": shares()}

every_energy = pytest.mark.parametrize("energy", ENERGIES.values(), ids=ENERGIES.keys())
every_weighting = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())


@every_energy
@every_weighting
def test_velocity_is_minus_gradient_over_mass(energy, weights):
    x = cloud()
    torch.testing.assert_close(
        energy.velocity(x, weights), velocity_from_definition(energy, x, weights), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("name", [name for name in ENERGIES if name.startswith(("interaction", "external", "sum"))])
def test_velocity_is_minus_gradient_over_mass_whatever_the_mass(name):
    energy, x, a = ENERGIES[name], cloud(), masses()
    torch.testing.assert_close(energy.velocity(x, a), velocity_from_definition(energy, x, a), rtol=1e-10, atol=1e-12)


@every_energy
@every_weighting
def test_value_and_velocity_are_the_value_and_the_velocity(energy, weights):
    x = cloud()
    value, velocity = energy.value_and_velocity(x, weights)
    torch.testing.assert_close(value, energy(x, weights), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(velocity, energy.velocity(x, weights), rtol=1e-12, atol=1e-13)


@every_energy
@every_weighting
def test_energy_decreases_along_its_velocity_at_the_rate_of_the_flow(energy, weights):
    x, step = cloud(), 1e-5
    v = energy.velocity(x, weights)
    share = torch.full((len(x),), 1 / len(x), dtype=x.dtype) if weights is None else weights
    rate = -(share[:, None] * v.square()).sum()  # dE/dt = −Σ aᵢ |vᵢ|²
    observed = (energy(x + step * v, weights) - energy(x - step * v, weights)) / (2 * step)
    torch.testing.assert_close(observed, rate, rtol=1e-6, atol=1e-10)
    assert observed < 0


@every_energy
def test_permutation_of_the_points_changes_nothing(energy):
    x, a, order = cloud(), shares(), torch.randperm(12, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(energy(x[order], a[order]), energy(x, a), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        energy.velocity(x[order], a[order]), energy.velocity(x, a)[order], rtol=1e-10, atol=1e-12
    )


@every_energy
def test_a_point_of_zero_weight_rests_and_changes_nothing(energy):
    x, a = cloud(), shares()
    more, weights = torch.cat([x, cloud(1, seed=9)]), torch.cat([a, a.new_zeros(1)])
    torch.testing.assert_close(energy(more, weights), energy(x, a), rtol=1e-12, atol=1e-14)
    _, velocity = energy.value_and_velocity(more, weights)
    for rest in (velocity[-1], energy.velocity(more, weights)[-1]):
        assert torch.equal(rest, torch.zeros(2, dtype=x.dtype))
    torch.testing.assert_close(velocity[:-1], energy.velocity(x, a), rtol=1e-10, atol=1e-12)


@every_energy
def test_derivatives_of_the_velocity_are_finite_where_a_weight_is_zero(energy):
    x, a = cloud().requires_grad_(), shares()
    a[3] = 0.0
    a = (a / a.sum()).requires_grad_()
    gradients = torch.autograd.grad(energy.velocity(x, a).square().sum(), (x, a))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@every_energy
def test_uniform_weights_are_the_default(energy):
    x = cloud()
    uniform = torch.full((12,), 1 / 12, dtype=x.dtype)
    torch.testing.assert_close(energy(x), energy(x, uniform), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(energy.velocity(x), energy.velocity(x, uniform), rtol=1e-10, atol=1e-12)


@every_energy
def test_no_graph_is_left_where_grad_mode_is_off(energy):
    x = cloud().requires_grad_()
    with torch.no_grad():
        value, velocity = energy.value_and_velocity(x)
        alone = energy.velocity(x)
    assert not value.requires_grad
    assert not velocity.requires_grad
    assert not alone.requires_grad
    torch.testing.assert_close(velocity, energy.velocity(x).detach(), rtol=1e-12, atol=1e-13)


@every_energy
def test_no_graph_is_left_where_nothing_requires_one(energy):
    value, velocity = energy.value_and_velocity(cloud())
    assert not value.requires_grad
    assert not velocity.requires_grad


@every_energy
@every_weighting
def test_velocity_is_differentiable(energy, weights):
    x = cloud(4).requires_grad_()
    weights = weights if weights is None else shares(4).requires_grad_()
    inputs = (x,) if weights is None else (x, weights)
    assert torch.autograd.gradcheck(lambda *given: energy.velocity(*given), inputs)
    assert torch.autograd.gradgradcheck(lambda *given: energy.value_and_velocity(*given)[0], inputs)


@every_energy
def test_descending_one_step_differentiates_with_respect_to_the_start(energy):
    start = cloud(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: energy(x + 0.01 * energy.velocity(x)), start)


@every_energy
def test_float32_stays_float32(energy):
    x = cloud(dtype=torch.float32)
    energy = copy.deepcopy(energy).float()
    value, velocity = energy.value_and_velocity(x)
    assert (energy(x).dtype, value.dtype, velocity.dtype) == (torch.float32,) * 3


@every_energy
def test_velocity_under_vmap_is_the_velocity_of_each(energy):
    x = torch.stack([cloud(seed=seed) for seed in range(3)])
    torch.testing.assert_close(
        torch.func.vmap(energy.velocity)(x), torch.stack([energy.velocity(one) for one in x]), rtol=1e-10, atol=1e-12
    )


@every_energy
def test_jacobian_of_the_velocity_by_torch_func(energy):
    x = cloud(3)
    expected = torch.autograd.functional.jacobian(energy.velocity, x)
    torch.testing.assert_close(torch.func.jacrev(energy.velocity)(x), expected, rtol=1e-9, atol=1e-11)
