"""The interaction energy against its formula, the seed's formulas and the conservation laws."""

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary, RadialKernel
from interflow.boundaries import OpenBoundary
from interflow.energies import InteractionEnergy
from interflow.errors import ArgumentError
from tests.energies.clouds import Skewed, cloud, masses

TORUS = PeriodicBoundary(1.0)


class Coulomb(RadialKernel):
    """Singular at 0."""

    def profile(self, squared_distance):
        return squared_distance.rsqrt()


def seed_difference(x):
    return torch.remainder(x[:, None] - x[None, :] - 0.5, 1.0) - 0.5


def seed_loss(x, sigma=0.1):
    return -torch.exp(-seed_difference(x).square().sum(-1) / (2 * sigma**2)).sum() / len(x)


def seed_speed(x, sigma=0.1):
    difference = seed_difference(x)
    psi = torch.exp(-difference.square().sum(-1) / (2 * sigma**2))
    return 2 / len(x) / sigma**2 * (psi[:, :, None] * difference).sum(1)


def test_value_is_half_the_weighted_sum_over_all_pairs():
    x, a = cloud(), masses()
    kernel = GaussianKernel(0.4)
    torch.testing.assert_close(InteractionEnergy(kernel)(x, a), 0.5 * a @ kernel(x, x) @ a, rtol=1e-13, atol=0)


def test_velocity_is_the_speed_of_the_seed():
    attraction = -2.0 * InteractionEnergy(GaussianKernel(0.1), boundary=TORUS)
    x = cloud(200)
    torch.testing.assert_close(attraction.velocity(x), -seed_speed(x), rtol=1e-11, atol=1e-13)


def test_velocity_is_the_gradient_of_the_seed_by_autograd():
    attraction = -2.0 * InteractionEnergy(GaussianKernel(0.1), boundary=TORUS)
    x = cloud(200).requires_grad_()
    loss = seed_loss(x)
    (gradient,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(attraction.velocity(x.detach()), -gradient, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(200 * attraction(x), loss, rtol=1e-13, atol=0)


def test_a_decreasing_profile_repels():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    left, right = InteractionEnergy(GaussianKernel(1.0)).velocity(x)
    assert left[0] < 0 < right[0]


@pytest.mark.parametrize("boundary", [OpenBoundary(), TORUS], ids=["open", "torus"])
@pytest.mark.parametrize("kernel", [GaussianKernel(0.1), Coulomb()], ids=["gaussian", "coulomb"])
def test_momentum_is_conserved(kernel, boundary):
    x, a = cloud(), masses()
    momentum = (a[:, None] * InteractionEnergy(kernel, boundary=boundary).velocity(x, a)).sum(0)
    torch.testing.assert_close(momentum, torch.zeros(2, dtype=x.dtype), rtol=0, atol=1e-12)


@pytest.mark.parametrize("boundary", [OpenBoundary(), TORUS], ids=["open", "torus"])
def test_translation_changes_nothing(boundary):
    energy = InteractionEnergy(GaussianKernel(0.1), boundary=boundary)
    x, a, shift = cloud(), masses(), torch.tensor([0.37, -0.61], dtype=torch.float64)
    torch.testing.assert_close(energy(x + shift, a), energy(x, a), rtol=1e-11, atol=0)
    torch.testing.assert_close(energy.velocity(x + shift, a), energy.velocity(x, a), rtol=1e-9, atol=1e-11)


def test_lattice_shifts_of_single_points_change_nothing_on_the_torus():
    energy = InteractionEnergy(GaussianKernel(0.1), boundary=TORUS)
    x, a = cloud(), masses()
    shifts = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(5)).double()
    torch.testing.assert_close(energy(x + shifts, a), energy(x, a), rtol=1e-11, atol=0)
    torch.testing.assert_close(energy.velocity(x + shifts, a), energy.velocity(x, a), rtol=1e-9, atol=1e-11)


def test_rotation_turns_the_velocity():
    energy = InteractionEnergy(GaussianKernel(0.4))
    x, a = cloud(), masses()
    turn = torch.linalg.qr(cloud(2, seed=8)).Q
    torch.testing.assert_close(energy(x @ turn, a), energy(x, a), rtol=1e-12, atol=0)
    torch.testing.assert_close(energy.velocity(x @ turn, a), energy.velocity(x, a) @ turn, rtol=1e-10, atol=1e-12)


def test_two_points_at_one_place_are_one_point_of_their_mass():
    energy = InteractionEnergy(GaussianKernel(0.4))
    x, a = cloud(), masses()
    twice, half = torch.cat([x, x]), torch.cat([a, a]) / 2
    torch.testing.assert_close(energy(twice, half), energy(x, a), rtol=1e-12, atol=0)
    torch.testing.assert_close(energy.velocity(twice, half)[:12], energy.velocity(x, a), rtol=1e-10, atol=1e-12)


def test_the_diagonal_is_kept_for_a_finite_kernel_and_dropped_for_a_singular_one():
    alone = torch.zeros(1, 2, dtype=torch.float64)
    assert InteractionEnergy(GaussianKernel(0.4))(alone).item() == 0.5
    assert InteractionEnergy(Coulomb())(alone).item() == 0.0
    assert InteractionEnergy(Coulomb()).velocity(alone).tolist() == [[0.0, 0.0]]


def test_an_empty_cloud_has_no_energy_and_no_velocity():
    value, velocity = InteractionEnergy(GaussianKernel(0.4)).value_and_velocity(torch.zeros(0, 3))
    assert value.item() == 0.0
    assert velocity.shape == (0, 3)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_any_dimension(dimension):
    x = cloud(dimension=dimension)
    value, velocity = InteractionEnergy(GaussianKernel(0.4), boundary=TORUS).value_and_velocity(x)
    assert value.shape == ()
    assert velocity.shape == x.shape


def test_gradient_reaches_a_learnable_bandwidth():
    energy = InteractionEnergy(GaussianKernel(0.4, learnable=True))
    x = cloud()

    def speed(log_sigma):
        return torch.func.functional_call(energy, {"kernel.log_sigma": log_sigma}, (x,))

    assert torch.autograd.gradcheck(speed, torch.tensor(-1.0, dtype=torch.float64, requires_grad=True))
    energy.velocity(x).square().sum().backward()
    assert energy.kernel.log_sigma.grad.abs() > 0


def test_a_boundary_of_another_dimension_is_refused():
    energy = InteractionEnergy(GaussianKernel(0.1), boundary=PeriodicBoundary(torch.ones(3)))
    for method in (energy, energy.velocity, energy.value_and_velocity):
        with pytest.raises(ArgumentError, match=r"3"):
            method(cloud())


def test_what_is_not_a_kernel_is_refused():
    with pytest.raises(ArgumentError, match="kernel"):
        InteractionEnergy(lambda r2: r2)


@pytest.mark.parametrize("kernel", [GaussianKernel(0.4), Skewed()], ids=["symmetric", "not symmetric"])
def test_badly_shaped_clouds_are_refused(kernel):
    energy = InteractionEnergy(kernel)
    for method in (energy, energy.velocity, energy.value_and_velocity):
        with pytest.raises(ArgumentError, match="`positions`"):
            method(torch.rand(5))
        with pytest.raises(ArgumentError, match="`weights`"):
            method(torch.rand(5, 2), torch.rand(4))
        with pytest.raises(ArgumentError, match="`weights`"):
            method(torch.rand(5, 2), torch.rand(5, dtype=torch.float64))


def test_signed_weights_are_charges():
    x, a = cloud(), masses() - 0.6
    kernel = GaussianKernel(0.4)
    torch.testing.assert_close(InteractionEnergy(kernel)(x, a), 0.5 * a @ kernel(x, x) @ a, rtol=1e-12, atol=1e-15)
