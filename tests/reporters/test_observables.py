"""What is observed follows its formula, and keeps to the domain."""

import math

import pytest
import torch

from interflow import (
    MMD,
    ArgumentError,
    DiscrepancyTo,
    EnergyOf,
    FourierMode,
    GaussianKernel,
    MeanSpeed,
    PairDistances,
    PeriodicBoundary,
    Polarisation,
    State,
)
from tests.flows import cloud, masses, repulsion, well

STATE = State(cloud(), masses())
HEAVY = STATE.replace(weights=3.0 * STATE.weights)


def test_the_mean_speed_is_that_of_the_flow_or_of_the_particles():
    velocity = repulsion().velocity(STATE.positions, STATE.weights)
    wanted = (STATE.weights * velocity.norm(dim=1)).sum()
    torch.testing.assert_close(MeanSpeed(repulsion())(STATE), wanted)
    moving = STATE.replace(velocities=torch.ones_like(STATE.positions))
    torch.testing.assert_close(MeanSpeed(repulsion())(moving).item(), math.sqrt(2.0))


@pytest.mark.parametrize("moving", [False, True])
def test_speed_and_alignment_are_means_over_the_mass_whatever_it_is(moving):
    state = HEAVY.replace(velocities=cloud(seed=7) - 0.3) if moving else HEAVY
    velocities = state.velocities if moving else repulsion().velocity(HEAVY.positions, HEAVY.weights)
    shares, speeds = STATE.weights, velocities.norm(dim=1)
    torch.testing.assert_close(MeanSpeed(repulsion())(state), shares @ speeds)
    torch.testing.assert_close(Polarisation(repulsion())(state), (shares @ (velocities / speeds[:, None])).norm())


def test_the_energy_is_the_energy():
    assert torch.equal(EnergyOf(well())(STATE), well()(STATE.positions, STATE.weights))


def test_the_discrepancy_to_the_cloud_itself_is_nothing():
    mmd = MMD(GaussianKernel(0.3))
    assert abs(DiscrepancyTo(mmd, STATE.positions, STATE.weights)(STATE).item()) < 1e-14
    wanted = mmd(STATE.positions, cloud(seed=4), x_weights=STATE.weights)
    assert torch.equal(DiscrepancyTo(mmd, cloud(seed=4))(STATE), wanted)
    weighted = mmd(STATE.positions, cloud(seed=4), x_weights=STATE.weights, y_weights=masses(seed=4))
    assert torch.equal(DiscrepancyTo(mmd, cloud(seed=4), masses(seed=4))(STATE), weighted)


@pytest.mark.parametrize("boundary", [None, PeriodicBoundary(1.0)])
def test_every_pair_is_in_one_bin(boundary, monkeypatch):
    monkeypatch.setattr("interflow.reporters.observables._PAIRS", 30)
    histogram = PairDistances(bins=7, max_distance=2.0, boundary=boundary)(STATE)
    assert histogram.shape == (7,)
    torch.testing.assert_close(histogram.sum().item(), 1.0)


@pytest.mark.parametrize("max_distance", [0.15, 0.4, 1.0])
def test_a_bin_holds_the_fraction_of_all_pairs_that_are_as_far_apart_and_pairs_out_of_reach_are_in_none(max_distance):
    distances = torch.pdist(STATE.positions)
    wanted = [
        ((distances >= max_distance * bin / 5) & (distances < max_distance * (bin + 1) / 5)).sum().item() / 66
        for bin in range(5)
    ]
    histogram = PairDistances(bins=5, max_distance=max_distance)(STATE)
    assert histogram.tolist() == pytest.approx(wanted, abs=1e-15)
    assert 0 < histogram.sum() < (1.0 if max_distance < 1.0 else 1.1)


def test_pairs_however_far_apart_are_counted_in_no_bin():
    far = State(torch.tensor([[0.0], [0.5], [1e30]], dtype=torch.float64), torch.ones(3, dtype=torch.float64) / 3)
    torch.testing.assert_close(PairDistances(bins=2, max_distance=1.0)(far).tolist(), [0.0, 1 / 3])


def test_distances_are_those_of_the_domain_whatever_the_cell():
    histogram = PairDistances(bins=20, max_distance=0.8, boundary=PeriodicBoundary(1.0))
    shifted = STATE.replace(positions=STATE.positions + torch.tensor([3.0, -2.0]))
    torch.testing.assert_close(histogram(shifted), histogram(STATE))
    near = State(torch.tensor([[0.05], [0.95]]), torch.ones(2) / 2)
    assert PairDistances(bins=4, max_distance=1.0, boundary=PeriodicBoundary(1.0))(near).tolist() == [1, 0, 0, 0]
    assert PairDistances(bins=4, max_distance=1.0)(near).tolist() == [0, 0, 0, 1]


def test_no_pairs_are_no_distances():
    assert PairDistances(bins=3, max_distance=1.0)(State(cloud(1), masses(1))).tolist() == [0, 0, 0]
    assert PairDistances(bins=3, max_distance=1.0)(State(cloud(0), masses(0))).tolist() == [0, 0, 0]


def test_a_wave_is_seen_by_its_own_mode_alone():
    grid = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(3.0), indexing="ij"), -1).reshape(-1, 2)
    lattice = State(grid / torch.tensor([4.0, 3.0]), torch.full((12,), 1 / 12))
    values = [FourierMode([a, b])(lattice).item() for a, b in [(0, 0), (4, 0), (4, 3), (1, 0), (0, 2)]]
    torch.testing.assert_close(values, [1.0, 1.0, 1.0, 0.0, 0.0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("lengths", [2.5, torch.tensor([0.7, 1.9])])
def test_the_amplitude_of_a_mode_is_that_of_the_weighted_sum_of_waves(lengths):
    mode = torch.tensor([2.0, -3.0]).double()
    phases = 2j * math.pi * (STATE.positions * mode / lengths).sum(1)
    torch.testing.assert_close(FourierMode([2, -3], lengths)(STATE), (STATE.weights * phases.exp()).sum().abs())


def test_a_mode_has_a_number_an_axis():
    with pytest.raises(ArgumentError, match="mode"):
        FourierMode([1.0])(STATE)


def test_alignment_is_one_where_all_move_alike_and_zero_where_they_do_not():
    alike = STATE.replace(velocities=torch.ones_like(STATE.positions) * torch.rand(12, 1, dtype=torch.float64))
    torch.testing.assert_close(Polarisation(well())(alike).item(), 1.0)
    positions = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    assert Polarisation(well())(State(positions, torch.ones(4) / 4)).item() < 1e-6


@pytest.mark.parametrize(("name", "arguments"), [("bins", (0, 1.0)), ("bins", (2.5, 1.0)), ("max_distance", (3, -1.0))])
def test_what_cannot_be_used_is_named(name, arguments):
    with pytest.raises(ArgumentError, match=name):
        PairDistances(*arguments)
