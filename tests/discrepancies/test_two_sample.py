"""The two-sample test: its level, its power, and what its numbers are."""

import itertools
import math

import pytest
import torch
from scipy.stats import binom

from interflow import (
    MMD,
    ArgumentError,
    DistanceKernel,
    GaussianKernel,
    InterflowWarning,
    InversePowerKernel,
    PeriodicBoundary,
    two_sample_test,
)
from interflow.discrepancies import two_sample
from tests.discrepancies.clouds import cloud

KERNEL = GaussianKernel(0.4)


def normal(count, seed, dimension=1, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return shift + torch.randn(count, dimension, generator=generator, dtype=torch.float64)


def rejections(draws, shift, count=20, permutations=99):
    """How often one distribution is rejected at level 0.05."""
    tests = (
        two_sample_test(
            normal(count, 2 * draw),
            normal(count, 2 * draw + 1, shift=shift),
            GaussianKernel(1.0),
            permutations=permutations,
            seed=draw,
        )
        for draw in range(draws)
    )
    return sum(test.rejected for test in tests)


def assert_binomial(found, draws, probability):
    """Within the central 99.9 %."""
    low, high = binom.interval(0.999, draws, probability)
    assert low <= found <= high


def test_over_a_thousand_draws_false_rejections_stay_within_the_binomial_error():
    assert_binomial(rejections(1000, shift=0.0), 1000, 0.05)


def test_power_grows_with_the_shift_of_the_mean():
    found = [rejections(60, shift) for shift in (0.0, 0.5, 1.0, 1.5)]
    assert found == sorted(found)
    assert found[0] <= 10
    assert found[-1] >= 57


@pytest.mark.parametrize("boundary", [None, PeriodicBoundary(2.0)], ids=["open", "torus"])
@pytest.mark.parametrize("kernel", [KERNEL, DistanceKernel(), KERNEL + 0.5 * DistanceKernel()], ids=repr)
@pytest.mark.filterwarnings("ignore:`kernel`:interflow.InterflowWarning")
def test_the_statistic_is_the_mmd_of_the_samples(kernel, boundary):
    x, y = cloud(13), cloud(9, seed=1)
    test = two_sample_test(x, y, kernel, boundary=boundary, permutations=3)
    torch.testing.assert_close(test.statistic, MMD(kernel, boundary=boundary)(x, y).item(), rtol=1e-10, atol=0.0)


def test_permuted_statistics_are_those_of_relabelled_samples():
    x, y = cloud(2), cloud(3, seed=1)
    pooled = torch.cat([x, y])
    possible = []
    for chosen in itertools.combinations(range(5), 2):
        others = [index for index in range(5) if index not in chosen]
        possible.append(MMD(KERNEL)(pooled[list(chosen)], pooled[others]).item())
    test = two_sample_test(x, y, KERNEL, permutations=400)
    nearest = (test.permuted[:, None] - torch.tensor(possible, dtype=torch.float64)).abs().min(1)
    assert nearest.values.max() <= 1e-14
    assert set(nearest.indices.tolist()) == set(range(10))
    counts = torch.bincount(nearest.indices, minlength=10)
    assert counts.min() >= 15  # 40 ± 6 of each


def test_equal_statistics_count_as_reached():
    x = torch.zeros(4, 1)
    assert two_sample_test(x, x, KERNEL, permutations=19).p_value == 1.0
    x, y = cloud(2, dtype=torch.float32), 5.0 + cloud(2, seed=1, dtype=torch.float32)
    test = two_sample_test(x, y, KERNEL, permutations=600)
    assert test.p_value == pytest.approx(1 / 3, abs=0.06)  # two of the six relabellings leave the two apart


def test_rejection_is_a_p_value_under_the_level_and_a_statistic_over_the_threshold():
    for seed in range(30):
        x, y = normal(12, 2 * seed), normal(9, 2 * seed + 1, shift=0.8)
        test = two_sample_test(x, y, GaussianKernel(1.0), permutations=39, level=0.1)
        assert test.rejected == (test.statistic > test.threshold)
        assert test.p_value == (1 + int((test.permuted >= test.statistic).sum())) / 40


def test_too_few_permutations_reject_nothing():
    test = two_sample_test(normal(9, 0), normal(9, 1, shift=9.0), KERNEL, permutations=10)
    assert (test.p_value, test.threshold, test.rejected) == (1 / 11, math.inf, False)


def test_tiles_and_chunks_change_nothing(monkeypatch):
    x, y = cloud(17), cloud(12, seed=1)
    whole = two_sample_test(x, y, KERNEL, permutations=50)
    monkeypatch.setattr(two_sample, "MOST_ROWS", 5)
    monkeypatch.setattr(two_sample, "PERMUTATIONS_AT_ONCE", 7)
    torch.testing.assert_close(two_sample_test(x, y, KERNEL, permutations=50).permuted, whole.permuted)


def test_the_seed_decides():
    x, y, generator = cloud(17), cloud(12, seed=1), torch.Generator().manual_seed(3)
    by_seed = two_sample_test(x, y, KERNEL, permutations=20, seed=3)
    assert torch.equal(two_sample_test(x, y, KERNEL, permutations=20, seed=generator).permuted, by_seed.permuted)
    assert not torch.equal(two_sample_test(x, y, KERNEL, permutations=20, seed=4).permuted, by_seed.permuted)


def test_swapping_the_samples_keeps_the_statistic():
    x, y = cloud(17), cloud(12, seed=1)
    there, back = (two_sample_test(*pair, KERNEL, permutations=5).statistic for pair in ((x, y), (y, x)))
    assert there == pytest.approx(back, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("permutations", {"permutations": 0}),
        ("level", {"level": 0.0}),
        ("level", {"level": 5}),
        ("y", {"y": cloud(3, dimension=3)}),
        ("y", {"y": cloud(0)}),
        ("x", {"x": cloud(3, batch=(2,))}),
        ("kernel", {"kernel": InversePowerKernel(1.0)}),
    ],
)
def test_what_cannot_be_tested_is_named(name, options):
    arguments = {"x": cloud(3), "y": cloud(4), "kernel": KERNEL, **options}
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        two_sample_test(**arguments)


def test_a_kernel_that_may_not_tell_distributions_apart_warns_as_an_mmd_does():
    with pytest.warns(InterflowWarning, match="not positive definite"):
        two_sample_test(cloud(5), cloud(5, seed=1), DistanceKernel(), boundary=PeriodicBoundary(1.0), permutations=9)


@pytest.mark.parametrize(
    "kernel", [GaussianKernel(3.0), DistanceKernel(), 2.0 * GaussianKernel(2.0) + DistanceKernel()]
)
def test_points_of_many_coordinates_take_products_and_have_the_same_statistics(kernel, monkeypatch):
    x, y = normal(40, 0, dimension=30), normal(30, 1, dimension=30)
    y[:3] = x[:3]
    found = two_sample_test(x, y, kernel, permutations=50)
    monkeypatch.setattr(two_sample, "_is_radial", lambda *_: False)
    plain = two_sample_test(x, y, kernel, permutations=50)
    torch.testing.assert_close(found.permuted, plain.permuted, rtol=1e-11, atol=1e-13)
    monkeypatch.undo()
    monkeypatch.setattr(type(kernel), "forward", None)  # no difference of every coordinate is made
    assert two_sample_test(x, y, kernel, permutations=50).statistic == found.statistic
