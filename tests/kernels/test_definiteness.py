"""Figures of nearest-image kernels on the torus, and that a proof is a proof."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.special import jv

import interflow as fl
from interflow.kernels import stays_definite, torus_definiteness

TORUS = fl.PeriodicBoundary(1.0)


@pytest.mark.parametrize(("dimension", "least"), [(2, -0.118), (3, -0.170)])
def test_distance_is_not_definite_on_the_torus(dimension: int, least: float) -> None:
    assert torus_definiteness(fl.DistanceKernel(), TORUS, dimension) == pytest.approx(least, abs=5e-4)


def test_distance_is_definite_on_the_circle_with_even_modes_that_vanish() -> None:
    assert torus_definiteness(fl.DistanceKernel(), TORUS, 1) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(
    ("sigma", "low", "high"), [(0.05, -1e-12, 1e-12), (0.1, -1e-6, -1e-7), (0.2, -7e-3, -6e-3), (0.3, -0.1, -0.09)]
)
def test_gaussians_lose_definiteness_with_their_width(dimension: int, sigma: float, low: float, high: float) -> None:
    found = torus_definiteness(fl.GaussianKernel(sigma), TORUS, dimension)
    assert found is not None
    assert low <= found <= high


@pytest.mark.parametrize("length", [1e-3, 7.0])
def test_units_of_length_do_not_matter(length: float) -> None:
    scaled = torus_definiteness(fl.GaussianKernel(0.3 * length), fl.PeriodicBoundary(length), 2)
    assert scaled == pytest.approx(torus_definiteness(fl.GaussianKernel(0.3), TORUS, 2), rel=1e-9)


def test_a_factor_does_not_matter_and_its_sign_does() -> None:
    kernel = fl.GaussianKernel(0.1)
    assert torus_definiteness(5.0 * kernel, TORUS, 2) == pytest.approx(torus_definiteness(kernel, TORUS, 2))
    assert torus_definiteness(-kernel, TORUS, 2) == -1.0


def test_a_negative_mode_is_a_negative_energy_of_points_on_the_torus() -> None:
    grid = torch.arange(12, dtype=torch.float64) / 12
    points = torch.cartesian_prod(grid, grid)
    eigenvalues = torch.linalg.eigvalsh(fl.DistanceKernel()(points, points, TORUS))
    # the lowest eigenvalue belongs to the constant mode, which charges of sum 0 do not see
    assert eigenvalues[1] / eigenvalues[-1] < -0.1


def test_mixed_and_high_dimensional_domains_are_judged_by_three_periodic_axes() -> None:
    channel = fl.ProductBoundary([fl.PeriodicBoundary(1.0), fl.OpenBoundary(), fl.PeriodicBoundary(1.0)])
    plane = torus_definiteness(fl.DistanceKernel(), TORUS, 2)
    assert torus_definiteness(fl.DistanceKernel(), channel, 3) == pytest.approx(plane)
    space = torus_definiteness(fl.DistanceKernel(), TORUS, 3)
    assert torus_definiteness(fl.DistanceKernel(), TORUS, 5) == pytest.approx(space)


def test_nothing_is_said_without_a_period_a_value_at_0_or_a_mode() -> None:
    assert torus_definiteness(fl.GaussianKernel(1.0), fl.OpenBoundary(), 2) is None
    assert torus_definiteness(fl.GaussianKernel(1.0), fl.ReflectingBoundary(0.0, 1.0), 2) is None
    assert torus_definiteness(fl.LogarithmicKernel(), TORUS, 2) is None
    assert torus_definiteness(0.0 * fl.GaussianKernel(1.0), TORUS, 2) is None


def test_cosine_of_one_mode_is_definite_and_its_negative_is_not() -> None:
    class Cosine(fl.Kernel):
        symmetric = True

        def pair(self, displacement: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return (2.0 * math.pi * displacement[1]).cos()

    assert torus_definiteness(Cosine(), TORUS, 2) == pytest.approx(0.0, abs=1e-12)
    assert torus_definiteness(-Cosine(), TORUS, 2) == pytest.approx(-1.0)


def transform(kernel: fl.RadialKernel, omega: float, dimension: int) -> float:
    """The transform of a kernel of range 1, up to a positive factor."""

    def integrand(r: float) -> float:
        value = kernel.profile(torch.tensor(r * r, dtype=torch.float64)).item()
        return value * r ** (0.5 * dimension) * jv(0.5 * dimension - 1.0, omega * r)

    return quad(integrand, 0.0, 1.0, epsabs=1e-13, limit=200)[0]


@pytest.mark.parametrize("smoothness", range(4))
def test_wendland_kernels_are_definite_in_up_to_three_dimensions_and_not_in_many(smoothness: int) -> None:
    """By Bochner's theorem."""
    kernel, frequencies = fl.WendlandKernel(1.0, smoothness), [0.5 * step for step in range(1, 50)]
    for dimension in (1, 2, 3):
        assert min(transform(kernel, omega, dimension) for omega in frequencies) > -1e-12
    assert min(transform(kernel, omega, 15) for omega in frequencies) < -1e-8
    assert kernel.definite is None
    for dimension in (1, 2, 3):
        points = torch.rand(60, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(dimension))
        assert torch.linalg.eigvalsh(kernel(points, points)).min() > -1e-13


@pytest.mark.parametrize(("attraction", "repulsion"), [(4.0, 2.0), (2.0, 1.0), (1.0, 0.5)])
def test_power_laws_are_not_definite(attraction: float, repulsion: float) -> None:
    kernel, charges = fl.PowerLawKernel(attraction, repulsion), torch.tensor([1.0, -1.0], dtype=torch.float64)
    points = torch.tensor([[0.0], [20.0]], dtype=torch.float64)
    assert charges @ kernel(points, points) @ charges < 0.0
    assert kernel.definite is False


def test_a_definite_kernel_stays_so_where_all_images_count() -> None:
    everywhere = fl.PeriodicBoundary(1.0, images="all")
    assert stays_definite(fl.GaussianKernel(0.3), everywhere, 2)
    assert stays_definite(fl.BandlimitedEnergyKernel(1.0, modes=4), TORUS, 2)
    assert not stays_definite(fl.GaussianKernel(0.3), TORUS, 2)
    assert not stays_definite(-fl.GaussianKernel(0.3), everywhere, 2)
    assert not stays_definite(fl.BandlimitedEnergyKernel(2.0, modes=4), TORUS, 2)
