"""Sums and multiples of energies, and the one domain that they share."""

import copy

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary, ProductBoundary
from interflow.boundaries import OpenBoundary
from interflow.energies import ExternalEnergy, InteractionEnergy, ScaledEnergy, SumEnergy
from interflow.energies.base import same_domain
from interflow.errors import ArgumentError
from tests.energies.clouds import cloud, masses


def well(x):
    return x.square().sum(-1)


class Mirrored(OpenBoundary):
    """A user's domain, with a choice that is no tensor."""

    def __init__(self, axis=0):
        super().__init__()
        self.axis = axis


def interaction(sigma=0.4, boundary=None):
    return InteractionEnergy(GaussianKernel(sigma), boundary=boundary)


FIRST, SECOND = interaction(), ExternalEnergy(well)


@pytest.mark.parametrize(
    ("energy", "coefficients"),
    [
        (FIRST + SECOND, (1, 1)),
        (FIRST - SECOND, (1, -1)),
        (2.5 * FIRST, (2.5, 0)),
        (-FIRST / 2, (-0.5, 0)),
        (3 * (2.0 * FIRST - SECOND) + SECOND, (6, -2)),
        (sum([FIRST, SECOND, SECOND]), (1, 2)),
    ],
)
def test_value_and_velocity_are_linear(energy, coefficients):
    x, a = cloud(), masses()
    s, t = coefficients
    torch.testing.assert_close(energy(x, a), s * FIRST(x, a) + t * SECOND(x, a))
    velocity = s * FIRST.velocity(x, a) + t * SECOND.velocity(x, a)
    torch.testing.assert_close(energy.velocity(x, a), velocity)
    torch.testing.assert_close(energy.value_and_velocity(x, a)[1], velocity)


def test_terms_are_named_and_keep_their_scales():
    energy = 3.0 * (2.0 * FIRST - SECOND) + SECOND
    x = cloud()
    names, energies = zip(*energy.terms(), strict=True)
    assert names == (
        "3 * 2 * InteractionEnergy(GaussianKernel)",
        "3 * -1 * ExternalEnergy(well)",
        "ExternalEnergy(well)",
    )
    torch.testing.assert_close(sum(term(x) for term in energies), energy(x))


def test_a_scale_is_part_of_the_state():
    energy = 2.0 * FIRST
    copy.deepcopy(-5.0 * FIRST).load_state_dict(energy.state_dict())
    assert energy.state_dict()["scale"].item() == 2.0
    assert energy.scale.dtype == torch.float64


def test_a_sum_within_a_sum_is_taken_apart():
    assert len((FIRST + (SECOND + FIRST)).energies) == 3


def test_terms_on_different_domains_are_refused():
    with pytest.raises(ArgumentError, match="one domain"):
        interaction() + interaction(boundary=PeriodicBoundary(1.0))
    with pytest.raises(ArgumentError, match="one domain"):
        2.0 * interaction(boundary=PeriodicBoundary(2.0)) + interaction(boundary=PeriodicBoundary(1.0))


def test_terms_on_equal_domains_are_one_domain():
    energy = interaction(boundary=PeriodicBoundary(1.0)) + interaction(boundary=PeriodicBoundary(1.0))
    assert same_domain(energy.boundary, PeriodicBoundary(1.0))


def test_an_energy_without_opinion_follows_the_others():
    torus = PeriodicBoundary(1.0)
    assert (SECOND + interaction(boundary=torus)).boundary is torus
    assert (2.0 * (interaction(boundary=torus) + SECOND)).boundary is torus
    assert isinstance((SECOND + SECOND).boundary, OpenBoundary)
    assert ((SECOND + SECOND) + interaction(boundary=torus)).boundary is torus


def test_the_domain_of_an_energy_cannot_be_replaced():
    with pytest.raises(AttributeError, match="fixed"):
        FIRST.boundary = PeriodicBoundary(1.0)


def test_domains_are_compared_by_class_attributes_and_hyperparameters():
    assert same_domain(OpenBoundary(), OpenBoundary())
    assert same_domain(Mirrored(axis=1), Mirrored(axis=1))
    assert not same_domain(Mirrored(axis=1), Mirrored(axis=0))
    assert not same_domain(Mirrored(), OpenBoundary())
    assert same_domain(PeriodicBoundary(torch.tensor([1.0, 2.0])), PeriodicBoundary(torch.tensor([1.0, 2.0])))
    assert not same_domain(PeriodicBoundary(1.0), PeriodicBoundary(1.0, lower=-0.5))
    assert not same_domain(PeriodicBoundary(1.0), OpenBoundary())


def test_mixed_domains_are_compared_axis_by_axis():
    channel = ProductBoundary([PeriodicBoundary(1.0), OpenBoundary()])
    assert same_domain(channel, ProductBoundary([PeriodicBoundary(1.0), OpenBoundary()]))
    assert not same_domain(channel, ProductBoundary([PeriodicBoundary(1.0), Mirrored()]))
    assert not same_domain(channel, ProductBoundary([PeriodicBoundary(2.0), OpenBoundary()]))


def test_an_empty_sum_is_refused():
    with pytest.raises(ArgumentError, match="`energies`"):
        SumEnergy([])


def test_a_scale_that_is_not_finite_is_refused():
    with pytest.raises(ArgumentError, match="`scale`"):
        ScaledEnergy(float("nan"), FIRST)


def test_a_number_is_not_an_energy():
    with pytest.raises(TypeError):
        FIRST + 1.0
