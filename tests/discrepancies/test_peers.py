"""The same numbers as other libraries, in their conventions."""

import geomloss
import pytest
import scipy.stats
import torch

from interflow import GaussianKernel
from interflow.discrepancies import MMD, EnergyDistance
from tests.discrepancies.clouds import cloud, masses


@pytest.mark.parametrize(("a", "b"), [(None, None), (masses(), masses(9, seed=1))], ids=["uniform", "weighted"])
def test_scipy_returns_the_square_root_of_the_energy_distance(a, b):
    x, y = cloud(dimension=1), cloud(9, dimension=1, seed=1)
    weights = () if a is None else (a.numpy(), b.numpy())
    expected = scipy.stats.energy_distance(x[:, 0].numpy(), y[:, 0].numpy(), *weights)
    assert EnergyDistance()(x, y, a, b).sqrt().item() == pytest.approx(expected, rel=1e-10)


def test_geomloss_returns_half_of_a_gaussian_mmd():
    x, y, a, b = cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)
    half = geomloss.SamplesLoss("gaussian", blur=0.4, backend="tensorized")(a, x, b, y)
    torch.testing.assert_close(MMD(GaussianKernel(0.4))(x, y, a, b), 2 * half, rtol=1e-10, atol=0)


def test_geomloss_returns_half_of_the_energy_distance_with_points_at_a_distance_from_themselves():
    x, y, a, b = cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)
    half = geomloss.SamplesLoss("energy", backend="tensorized")(a, x, b, y)
    diagonal = 1e-4 * (a.square().sum() + b.square().sum())  # its distance is √max(r², 1e-8)
    torch.testing.assert_close(EnergyDistance()(x, y, a, b), 2 * half + diagonal, rtol=1e-10, atol=0)
