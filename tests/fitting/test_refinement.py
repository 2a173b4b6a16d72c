"""Coarser fits come first where they are asked for, or where all pairs would take long."""

import pytest
import torch

import interflow as fl
from interflow.fitting import defaults
from interflow.fitting.resolution_levels import resample_points, stages, subsample

DENSE = fl.EnergyDistance(backend="dense")


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def nearest(points):
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf).amin(1)


def test_a_hexagonal_grid_becomes_one_of_half_the_spacing():
    across, along = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    points = torch.stack([across + 0.5 * along, 0.75**0.5 * along], dim=-1).flatten(0, 1)
    finer = resample_points(points, 3 * 400, generator())  # edges at the rim are fewer than three a point
    assert torch.equal(finer[:400], points)
    torch.testing.assert_close(nearest(finer), torch.full((1200,), 0.5))


def test_new_points_are_where_points_are():
    points = torch.cat([0.1 * normal(300, 2), normal(100, 2, seed=1) + 20.0])
    finer = resample_points(points, 1600, generator())
    assert len(torch.unique(finer, dim=0)) == 1600
    assert torch.cdist(finer, points).amin(1).max() < 2.0  # none between the two clusters
    assert 0.65 < float((finer[:, 0] < 10.0).float().mean()) < 0.85  # three quarters of the mass


def test_points_with_too_few_neighbours_are_set_apart_and_a_single_one_is_repeated():
    assert len(torch.unique(resample_points(normal(3, 2), 12, generator()), dim=0)) == 12
    assert torch.equal(resample_points(torch.ones(1, 2), 3, generator()), torch.ones(3, 2))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_thinned_target_keeps_its_mean(weighted):
    target = torch.rand(4000, 2, generator=generator())
    weights = target[:, 0] / target[:, 0].sum() if weighted else None
    few, left = subsample(target, weights, 4, generator())
    assert (len(few), left) == (1000, None)
    expected = target.mean(0) if weights is None else weights @ target
    torch.testing.assert_close(few.mean(0), expected, atol=0.02, rtol=0)


def test_stages_end_with_all_points_the_whole_target_and_the_last_step():
    target = normal(100, 2)
    found = stages([DENSE, DENSE], target, None, count=33, refinements=2, fine=0.15, steps=80, generator=generator())
    assert [stage.count for stage in found] == [3, 3, 9, 33]
    assert [stage.until for stage in found] == [28, 56, 68, 80]
    assert [len(stage.energy.target) for stage in found] == [7, 7, 25, 100]
    assert found[-1].energy.target is target


def test_a_refined_fit_is_about_as_good_as_a_plain_one():
    y = normal(800, 3)
    plain, refined = (fl.fit(80, y, DENSE, init="box", steps=160, refinements=count) for count in (0, 2))
    assert refined.positions.shape == (80, 3)
    assert refined.history[-1].loss < 1.5 * plain.history[-1].loss < 0.05 * plain.history[0].loss
    assert refined.stats["refinements"] == 2
    assert refined.history[0].loss == plain.history[0].loss  # that of all points


def test_a_time_that_is_over_in_a_coarse_fit_still_gives_all_points():
    fitted = fl.fit(80, normal(100, 2), DENSE, refinements=2, steps=1000, max_seconds=1e-9)
    assert len(fitted.positions) == 80
    assert fitted.stats["stopped"] == "1e-09 seconds were over"


def test_refinements_are_chosen_where_pairs_in_space_are_many(monkeypatch):
    monkeypatch.setattr(defaults, "MAX_DIRECT_PAIRS", 1e4)
    monkeypatch.setattr(defaults, "MIN_REFINED_POINTS", 50)
    y = normal(400, 3)
    fitted = fl.fit(60, y, steps=40)
    assert fitted.stats["refinements"] == 2
    assert fitted.stats["discrepancy"] == "energy distance; the losses are those of its slices"
    exact = DENSE((fitted.positions.double()), y.double()).item() / fitted.stats["scale"]
    assert fitted.history[-1].loss == pytest.approx(exact, rel=0.3)
    assert fl.fit(y[:60], y, steps=2).stats["refinements"] == 0


@pytest.mark.parametrize(("source", "count"), [(normal(9, 2), 1), (9, -1), (9, 4), (9, 1.5)])
def test_refinements_that_cannot_be_are_named(source, count):
    with pytest.raises(fl.ArgumentError) as caught:
        fl.fit(source, normal(20, 2), DENSE, refinements=count)
    assert caught.value.argument == "refinements"
