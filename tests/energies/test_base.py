"""What the base class derives for an energy of one's own, and what it refuses."""

import pytest
import torch

from interflow.boundaries import OpenBoundary
from interflow.energies import Energy
from interflow.errors import ArgumentError
from tests.energies.clouds import cloud


class Quartic(Energy):
    def forward(self, positions, weights=None):
        return positions.square().sum(-1).square().mean()


class PerPoint(Energy):
    def forward(self, positions, weights=None):
        return positions.square().sum(-1)


def test_velocity_is_derived_under_no_grad_from_plain_positions():
    x = cloud()
    with torch.no_grad():
        velocity = Quartic().velocity(x)
    torch.testing.assert_close(velocity, -4 * x.square().sum(-1, keepdim=True) * x)
    assert not x.requires_grad


def test_positions_are_not_touched():
    x = cloud().requires_grad_()
    Quartic().velocity(x)
    assert x.grad is None


def test_the_domain_is_open_space_by_default():
    assert isinstance(Quartic().boundary, OpenBoundary)


def test_an_energy_that_is_not_a_scalar_is_refused():
    with pytest.raises(ArgumentError, match=r"`forward`: got shape \(12,\), wanted a scalar"):
        PerPoint().velocity(cloud())


def test_positions_that_are_not_a_cloud_are_refused():
    with pytest.raises(ArgumentError, match="`positions`"):
        Quartic().velocity(torch.rand(2, 3, 4))


def test_a_subclass_must_write_forward():
    with pytest.raises(TypeError, match="abstract"):
        Energy()


def test_its_only_term_is_itself():
    energy = Quartic()
    assert energy.terms() == [("Quartic", energy)]


def test_velocity_compiles_to_one_graph():
    x = cloud()
    compiled = torch.compile(Quartic().velocity, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), Quartic().velocity(x))
