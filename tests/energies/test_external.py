"""The energy of a given landscape."""

import pytest
import torch
from torch import nn

from interflow import PeriodicBoundary
from interflow.energies import ExternalEnergy
from interflow.errors import ArgumentError
from tests.energies.clouds import cloud, masses


def test_value_is_the_weighted_sum_and_velocity_the_slope_whatever_the_weights():
    x, a = cloud(), masses()
    energy = ExternalEnergy(lambda x: x[:, 0] ** 3 + 2 * x[:, 1])
    value, velocity = energy.value_and_velocity(x, a)
    torch.testing.assert_close(value, (a * (x[:, 0] ** 3 + 2 * x[:, 1])).sum())
    torch.testing.assert_close(velocity, torch.stack([-3 * x[:, 0] ** 2, torch.full_like(x[:, 0], -2)], 1))


def test_a_network_learns_through_the_velocity():
    potential = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    energy = ExternalEnergy(potential)
    energy.velocity(cloud()).square().sum().backward()
    assert potential[0].weight.grad.abs().sum() > 0


def test_gradient_reaches_a_number_that_the_potential_closes_over():
    strength = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    energy = ExternalEnergy(lambda x: strength * x.square().sum(-1))
    x = cloud()
    (gradient,) = torch.autograd.grad(energy.velocity(x).sum(), strength)
    torch.testing.assert_close(gradient, -2 * x.sum())


def test_an_empty_cloud_has_no_energy():
    value, velocity = ExternalEnergy(lambda x: x.sum(-1)).value_and_velocity(torch.zeros(0, 2))
    assert value.item() == 0.0
    assert velocity.shape == (0, 2)


def test_a_potential_of_the_wrong_shape_is_refused():
    with pytest.raises(ArgumentError, match=r"`potential`: got values of shape \(12, 2\)"):
        ExternalEnergy(torch.square)(cloud())


def test_a_potential_that_loses_its_gradient_is_refused():
    with pytest.raises(ArgumentError, match="does not depend on them"):
        ExternalEnergy(lambda x: x.detach().sum(-1)).velocity(cloud())


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ArgumentError, match="`potential`"):
        ExternalEnergy(3.0)


def test_dimension_is_that_of_the_boundary():
    with pytest.raises(ArgumentError, match="coordinates"):
        ExternalEnergy(lambda x: x.sum(-1), boundary=PeriodicBoundary(torch.ones(3)))(cloud())
