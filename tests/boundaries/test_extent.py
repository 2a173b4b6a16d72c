"""The extent of a domain agrees with the domain, and comes back from a run folder as it was."""

import math

import pytest
import torch

import interflow as fl
from interflow.storage.manifest import StoredExtent

TORUS = fl.PeriodicBoundary(torch.tensor([2.0, 0.5]), lower=-1.0)
BOX = fl.ReflectingBoundary(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 2.0]))
CHANNEL = fl.ProductBoundary([fl.PeriodicBoundary(1.0), fl.OpenBoundary()])
DOMAINS = pytest.mark.parametrize(
    "boundary", [fl.OpenBoundary(), TORUS, BOX, CHANNEL], ids=["open", "torus", "box", "channel"]
)


def cloud(seed):
    return 5.0 * torch.randn(200, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@DOMAINS
def test_whatever_is_wrapped_lies_between_the_corners(boundary):
    extent, inside = boundary.extent(2), boundary.wrap(cloud(0))
    assert ((extent.lower <= inside) & (inside <= extent.upper)).all()


@DOMAINS
def test_periodic_axes_are_those_with_a_period(boundary):
    extent, periods = boundary.extent(2), boundary.periods(2)
    assert torch.equal(extent.periodic, periods.isfinite())
    torch.testing.assert_close((extent.upper - extent.lower)[extent.periodic], periods[extent.periodic])


@DOMAINS
def test_the_shortest_way_is_the_displacement(boundary):
    x, y = cloud(0), cloud(1)
    torch.testing.assert_close(boundary.extent(2).shortest(x, y), boundary.displacement(x, y))


def test_inside_takes_off_whole_periods_and_leaves_other_axes_alone():
    points = cloud(0)
    inside = CHANNEL.extent(2).inside(points)
    assert ((inside[:, 0] >= 0.0) & (inside[:, 0] < 1.0)).all()
    assert torch.equal(inside[:, 1], points[:, 1])
    torch.testing.assert_close(inside, CHANNEL.wrap(points))


@DOMAINS
def test_the_manifest_gives_back_the_extent(boundary):
    extent = boundary.extent(2)
    again = StoredExtent.model_validate_json(StoredExtent.from_extent(extent).model_dump_json()).on_axes(2)
    for name in ("lower", "upper", "periodic"):
        assert torch.equal(getattr(extent, name), getattr(again, name))


def test_an_extent_of_other_axes_is_damage():
    stored = StoredExtent.from_extent(fl.OpenBoundary().extent(3))
    with pytest.raises(fl.StorageError, match="2 axes"):
        stored.on_axes(2)


def test_solutions_know_where_their_domain_ends(tmp_path):
    energy = fl.InteractionEnergy(fl.GaussianKernel(sigma=0.1), boundary=CHANNEL)
    system = fl.ParticleSystem(torch.rand(5, 2), energy=energy, integrator=fl.Euler(step_size=0.1))
    kept = system.simulate(2, progress=False)
    stored = system.simulate(2, progress=False, out=fl.RunFolder(tmp_path / "run"))
    for solution in (kept, stored, fl.open_run(tmp_path / "run"), system.rollout(1)):
        assert solution.extent.lower.tolist() == [0.0, -math.inf]
        assert solution.extent.upper.tolist() == [1.0, math.inf]
        assert solution.extent.periodic.tolist() == [True, False]


def test_points_are_brought_inside_by_whole_periods_of_each_axis_and_no_other():
    channel = fl.ProductBoundary([fl.PeriodicBoundary(4.0, lower=10.0), fl.OpenBoundary(), fl.PeriodicBoundary(1.0)])
    x = torch.tensor([[10.5, 7.0, 0.25], [13.0, -9.0, 0.75]], dtype=torch.float64)
    moved = x + torch.tensor([[-12.0, 0.0, 5.0], [8.0, 0.0, -2.0]])
    torch.testing.assert_close(channel.extent(3).inside(moved), x)
    torch.testing.assert_close(channel.extent(3).inside(x), x)
