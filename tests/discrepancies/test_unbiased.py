"""The unbiased estimator: its formula and its expectation."""

import math

import pytest
import torch

from interflow import GaussianKernel
from interflow.discrepancies import MMD, EnergyDistance
from tests.discrepancies.clouds import cloud, masses


def mean_of_gaussians(sigma, variance, shift_squared, dimension):
    """``E exp(−|z|²/2σ²)`` of a normal z with that variance an axis and a mean of that squared length."""
    total = sigma**2 + variance
    return (sigma**2 / total) ** (dimension / 2) * math.exp(-shift_squared / (2 * total))


@pytest.mark.parametrize("weighted", [False, True])
def test_expectation_is_the_discrepancy_of_the_two_normal_distributions(weighted):
    sigma, s, t, shift, dimension, repeats = 0.7, 1.0, 0.5, 0.4, 2, 20_000
    generator = torch.Generator().manual_seed(11)
    x = s * torch.randn(repeats, 5, dimension, generator=generator, dtype=torch.float64)
    y = t * torch.randn(repeats, 4, dimension, generator=generator, dtype=torch.float64) + shift
    a = masses(5).expand(repeats, 5) if weighted else None
    b = masses(4, seed=1).expand(repeats, 4) if weighted else None
    options = {"reduction": "none", "backend": "dense"}
    estimates = MMD(GaussianKernel(sigma), estimator="unbiased", **options)(x, y, a, b)
    expected = (
        mean_of_gaussians(sigma, 2 * s**2, 0.0, dimension)
        + mean_of_gaussians(sigma, 2 * t**2, 0.0, dimension)
        - 2 * mean_of_gaussians(sigma, s**2 + t**2, dimension * shift**2, dimension)
    )
    error = estimates.std() / math.sqrt(repeats)
    assert abs(estimates.mean() - expected) < 4 * error
    biased = MMD(GaussianKernel(sigma), **options)(x, y, a, b)
    assert biased.mean() - expected > 40 * error


def test_uniform_weights_divide_by_the_number_of_distinct_pairs():
    x, y = cloud(6), cloud(5, seed=1)
    distances = [torch.cdist(p, q) for p, q in ((x, x), (y, y), (x, y))]
    expected = -distances[0].sum() / 30 - distances[1].sum() / 20 + 2 * distances[2].mean()
    torch.testing.assert_close(EnergyDistance(estimator="unbiased")(x, y), expected, rtol=1e-12, atol=1e-15)


def test_equal_points_of_different_index_are_pairs():
    x = torch.zeros(2, 1, dtype=torch.float64)
    value = MMD(GaussianKernel(1.0), estimator="unbiased")(x, x + 100.0)
    assert value.item() == 2.0  # k(0) once in each cloud, and nothing across
