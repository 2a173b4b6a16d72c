"""The energy of points drawn to a target."""

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary
from interflow.boundaries import OpenBoundary
from interflow.discrepancies import MMD, Discrepancy
from interflow.energies import DiscrepancyEnergy, InteractionEnergy
from interflow.errors import ArgumentError
from tests.energies.clouds import cloud, masses, shares, velocity_from_definition


class BetweenMeans(Discrepancy):
    """A user's discrepancy: only `forward`."""

    def forward(self, x, y, x_weights=None, y_weights=None):
        return (x.mean(-2) - y.mean(-2)).square().sum(-1)


def test_value_is_the_discrepancy_to_the_target():
    x, y, a, b = cloud(), cloud(9, seed=1), shares(), shares(9, seed=1)
    loss = MMD(GaussianKernel(0.4))
    assert torch.equal(DiscrepancyEnergy(loss, y, b)(x, a), loss(x, y, a, b))


def test_velocity_of_a_discrepancy_of_ones_own_is_derived():
    x, y = cloud(), cloud(9, seed=1)
    energy = DiscrepancyEnergy(BetweenMeans(), y)
    torch.testing.assert_close(energy.velocity(x), velocity_from_definition(energy, x, None))


def test_points_on_their_target_rest():
    y = cloud()
    value, velocity = DiscrepancyEnergy(MMD(GaussianKernel(0.4)), y).value_and_velocity(y.clone())
    torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-15)
    torch.testing.assert_close(velocity, torch.zeros_like(y), rtol=0, atol=1e-15)


def test_what_it_explains_is_of_the_weighted_points_and_the_weighted_target():
    mmd = MMD(GaussianKernel(0.3), backend="dense")
    energy = DiscrepancyEnergy(mmd, cloud(7, seed=1), shares(7))
    explained = mmd.explain(cloud(), energy.target, shares(), energy.target_weights)
    assert energy.explain(cloud(), shares()) == explained != []


def test_the_domain_is_the_discrepancys():
    torus = PeriodicBoundary(1.0)
    energy = DiscrepancyEnergy(MMD(GaussianKernel(0.1), boundary=torus), cloud())
    assert energy.boundary is torus
    assert isinstance(DiscrepancyEnergy(BetweenMeans(), cloud()).boundary, OpenBoundary)
    with pytest.raises(ArgumentError, match="one domain"):
        energy + InteractionEnergy(GaussianKernel(0.1))


def test_the_target_is_part_of_the_state():
    y, b = cloud(9), masses(9)
    state = DiscrepancyEnergy(MMD(GaussianKernel(0.4)), y, b).state_dict()
    assert torch.equal(state["target"], y)
    assert torch.equal(state["target_weights"], b)


@pytest.mark.parametrize(
    ("target", "weights", "name"),
    [
        (torch.rand(9), None, "`target`"),
        (torch.rand(9, 2), torch.rand(8), "`target_weights`"),
        (torch.rand(9, 2), -torch.rand(9), "`target_weights`"),
        ([[0.0, 1.0]], None, "`target`"),
        (torch.zeros(0, 2), None, "`target`"),
    ],
)
def test_a_bad_target_is_refused_when_it_is_given(target, weights, name):
    with pytest.raises(ArgumentError, match=name):
        DiscrepancyEnergy(MMD(GaussianKernel(0.4)), target, weights)


def test_what_is_not_a_discrepancy_is_refused():
    with pytest.raises(ArgumentError, match="`discrepancy`"):
        DiscrepancyEnergy(GaussianKernel(0.4), cloud())
