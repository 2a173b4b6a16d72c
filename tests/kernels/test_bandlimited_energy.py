"""The band-limited energy kernel: a distance of the torus that is positive definite."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import interflow as fl
from interflow.errors import ArgumentError
from interflow.kernels import torus_definiteness
from tests.kernels.cases import cloud
from tests.kernels.transforms import frequencies

every_torus = pytest.mark.parametrize("lengths", [(1.0,), (0.7, 0.7), (1.0, 1.5), (1.0, 1.2, 0.8)], ids=str)


def coefficients(kernel: fl.BandlimitedEnergyKernel, omega: Tensor, lengths: tuple[float, ...]) -> Tensor:
    found = kernel.coefficients(omega.unbind(-1), torch.tensor(lengths, dtype=torch.float64))
    assert found is not None
    return found


@every_torus
def test_the_kernel_is_its_fourier_series(lengths: tuple[float, ...]) -> None:
    kernel = fl.BandlimitedEnergyKernel(torch.tensor(lengths, dtype=torch.float64), modes=4)
    x, y = cloud(8, len(lengths), seed=0, scale=2.0), cloud(9, len(lengths), seed=1)
    omega = frequencies(lengths, 8)
    series = torch.einsum("ijk,k->ij", ((x[:, None] - y) @ omega.T).cos(), coefficients(kernel, omega, lengths))
    torch.testing.assert_close(kernel(x, y), series, rtol=1e-12, atol=1e-13)


@every_torus
def test_coefficients_fall_like_those_of_the_distance_and_end_at_the_band(lengths: tuple[float, ...]) -> None:
    kernel, dimension = fl.BandlimitedEnergyKernel(torch.tensor(lengths, dtype=torch.float64), modes=5), len(lengths)
    omega = frequencies(lengths, 12)
    found, sizes = coefficients(kernel, omega, lengths), omega.norm(dim=-1)
    inside = (sizes > 0) & (sizes <= 2.0 * math.pi * 5 / min(lengths) * (1 + 1e-9))
    assert bool((found[~inside] == 0).all())
    products = found[inside] * sizes[inside] ** (dimension + 1) * math.prod(lengths)
    area = {1: 2.0, 2: 2.0 * math.pi, 3: 8.0 * math.pi}[dimension]  # −r has the transform −area/ω^(d+1), up to its sign
    torch.testing.assert_close(products, torch.full_like(products, area))


def test_it_is_minus_the_distance_and_a_constant_at_short_range() -> None:
    kernel = fl.BandlimitedEnergyKernel(1.0, modes=200)
    r = torch.tensor([0.01, 0.02, 0.05, 0.1], dtype=torch.float64)
    values = kernel(torch.zeros(1, 1, dtype=torch.float64), r[:, None])[0]
    torch.testing.assert_close(values - values[0], -(r - r**2) + (r[0] - r[0] ** 2), rtol=0, atol=1e-3)


@every_torus
def test_it_is_positive_definite_on_its_torus(lengths: tuple[float, ...]) -> None:
    kernel = fl.BandlimitedEnergyKernel(torch.tensor(lengths, dtype=torch.float64), modes=4)
    x = cloud(60, len(lengths), seed=2)
    assert torch.linalg.eigvalsh(kernel(x, x)).min() >= -1e-12
    torus = fl.PeriodicBoundary(torch.tensor(lengths, dtype=torch.float64))
    ratio = torus_definiteness(kernel, torus, len(lengths))
    assert ratio is not None
    assert ratio >= -1e-12


@every_torus
@pytest.mark.parametrize("order", [0, 1])
def test_the_tail_is_what_is_left_out(lengths: tuple[float, ...], order: int) -> None:
    kernel = fl.BandlimitedEnergyKernel(torch.tensor(lengths, dtype=torch.float64), modes=6)
    omega = frequencies(lengths, 12)
    sizes = omega.norm(dim=-1) ** order * coefficients(kernel, omega, lengths)
    for waves in (0, 2, 5, 12):
        cut = 2.0 * math.pi * waves / lengths[0]
        beyond = omega.abs().amax(-1) > cut * (1.0 + 1e-12)
        assert kernel.tail(cut, lengths, order) == pytest.approx(sizes[beyond].sum().item(), rel=1e-9)


def test_nearest_images_and_all_images_are_one_on_its_torus() -> None:
    kernel = fl.BandlimitedEnergyKernel(1.0, modes=5)
    x, y = cloud(6, 2, seed=3), cloud(7, 2, seed=4)
    near, every = (fl.PeriodicBoundary(1.0, images=images) for images in ("nearest", "all"))
    assert torch.equal(kernel(x, y, near), kernel(x, y, every))


def test_another_torus_is_refused_where_it_can_be_told() -> None:
    kernel, x = fl.BandlimitedEnergyKernel(1.0, modes=5), cloud(6, 2, seed=3)
    assert kernel.coefficients([torch.zeros(1)] * 2, torch.full((2,), 2.0)) is None
    assert kernel.tail(1.0, (2.0,), 0) == math.inf
    with pytest.raises(ArgumentError, match="lengths"):
        kernel(x, x, fl.PeriodicBoundary(2.0, images="all"))
    with pytest.raises(ArgumentError, match="coordinates"):
        fl.BandlimitedEnergyKernel(torch.ones(3), modes=5)(x, x)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0.0, 4), "lengths"), ((torch.ones(2, 2), 4), "lengths"), ((1.0, 0), "modes"), ((1.0, 2.5), "modes")],
    ids=str,
)
def test_bad_arguments_are_named(arguments: tuple[object, object], name: str) -> None:
    with pytest.raises(ArgumentError, match=name):
        fl.BandlimitedEnergyKernel(*arguments)  # type: ignore[arg-type]


def test_a_band_that_does_not_fit_in_memory_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"modes.*like size"):
        fl.BandlimitedEnergyKernel(torch.tensor([1e3, 1e-3]), modes=50)
    with pytest.raises(ArgumentError, match=r"modes.*fewer"):
        fl.BandlimitedEnergyKernel(1.0, modes=200)(torch.zeros(1, 3), torch.zeros(1, 3))


def test_a_config_goes_there_and_back() -> None:
    for kernel in (fl.BandlimitedEnergyKernel(1.0, 4), fl.BandlimitedEnergyKernel(torch.tensor([1.0, 0.3]), 4)):
        assert repr(fl.config.from_object(kernel).build()) == repr(kernel)


def test_its_mmd_is_the_distance_of_the_coefficients() -> None:
    kernel, lengths = fl.BandlimitedEnergyKernel(torch.tensor([1.0, 1.5]), modes=4), (1.0, 1.5)
    x, y = cloud(20, 2, seed=5), cloud(30, 2, seed=6)
    omega = frequencies(lengths, 8)
    transform = [torch.exp(-1j * (points @ omega.T)).mean(0) for points in (x, y)]
    expected = (coefficients(kernel, omega, lengths) * (transform[0] - transform[1]).abs().square()).sum()
    loss = fl.MMD(kernel, boundary=fl.PeriodicBoundary(torch.tensor(lengths)), backend="dense")
    torch.testing.assert_close(loss(x, y), expected, rtol=1e-10, atol=1e-14)
