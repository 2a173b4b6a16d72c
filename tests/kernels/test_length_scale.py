"""Radial kernels with one length an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

import interflow as fl
from interflow import config
from interflow.config.builtin_kinds import KERNELS as KINDS
from interflow.errors import ArgumentError, BackendError
from interflow.fitting.resolution_levels import scaled_discrepancies
from interflow.kernels import Kernel
from interflow.sums import field, potential, potential_and_field
from interflow.testing import KernelSuite
from tests.kernels.cases import BOUNDARIES, cloud
from tests.kernels.transforms import TORI, displacements, frequencies, images

MAKE: dict[str, Callable[..., Kernel]] = {
    "gaussian": fl.GaussianKernel,
    "laplacian": fl.LaplacianKernel,
    "matern-3/2": partial(fl.MaternKernel, nu=1.5),
    "matern-5/2": partial(fl.MaternKernel, nu=2.5),
    "inverse-multiquadric": fl.InverseMultiquadricKernel,
}
TRANSFORMED = [name for name in MAKE if name != "inverse-multiquadric"]
SIGMA = [0.25, 0.1, 0.4]
every_kernel = pytest.mark.parametrize("name", MAKE)
every_transform = pytest.mark.parametrize("name", TRANSFORMED)


class TestOneLengthAnAxis(KernelSuite):
    backends: Sequence[str] = ("dense",)

    @pytest.fixture(params=MAKE, autouse=True)
    def _kernel(self, request):
        self.name = request.param

    def make(self):
        return MAKE[self.name]([0.6, 0.3], learnable=True)


@pytest.mark.full
class TestOneLengthAnAxisOnGeneratedCode(TestOneLengthAnAxis):
    backends = ("compiled", "keops")


@every_kernel
@pytest.mark.parametrize("on", ["open", "box", "long torus"])
def test_the_kernel_is_the_isotropic_one_of_scaled_displacements(name: str, on: str) -> None:
    x, y, sigma = cloud(5, 2, 0), cloud(4, 2, 1), torch.tensor(SIGMA[:2], dtype=torch.float64)
    displacement = BOUNDARIES[on].displacement(x[:, None], y)
    expected = MAKE[name](1.0).evaluate((displacement / sigma).unbind(-1))
    torch.testing.assert_close(MAKE[name](SIGMA[:2])(x, y, BOUNDARIES[on]), expected, rtol=1e-12, atol=1e-14)


@every_kernel
def test_equal_lengths_are_one(name: str) -> None:
    x, y = cloud(5, 3, 0), cloud(4, 3, 1)
    torch.testing.assert_close(MAKE[name]([0.3] * 3)(x, y), MAKE[name](0.3)(x, y), rtol=1e-12, atol=1e-14)
    assert MAKE[name]([0.3] * 3).definite is True


@every_kernel
@pytest.mark.parametrize("count", [1, 3])
def test_as_many_lengths_as_axes_are_wanted(name: str, count: int) -> None:
    kernel, x = MAKE[name]([0.3] * count), cloud(4, 2, 0)
    calls: list[Callable[[], object]] = [
        lambda: kernel(x, x),
        lambda: potential(kernel, x, x),
        lambda: field(fl.DistanceKernel() + 2.0 * kernel, x, x),
        lambda: potential(fl.GaussianKernel(0.1) * kernel, x, x, boundary=fl.PeriodicBoundary(1.0)),
        lambda: fl.MMD(kernel)(x, x),
        lambda: fl.InteractionEnergy(kernel)(x),
        lambda: fl.views.kernel_profiles(kernel, dimension=2),
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match=rf"`sigma`: got {count} lengths for points of 2 coordinates") as caught:
            call()
        assert caught.value.argument == "sigma"


@pytest.mark.parametrize("dimension", [8, 20])
def test_many_coordinates_have_a_length_each(dimension: int) -> None:
    sigma = torch.linspace(0.5, 2.0, dimension, dtype=torch.float64)
    kernel, scaled = fl.GaussianKernel(sigma), fl.GaussianKernel(1.0)
    x, y = cloud(6, dimension, 0), cloud(5, dimension, 1)
    u, f = potential_and_field(kernel, x, y, backend="dense")
    v, g = potential_and_field(scaled, x / sigma, y / sigma, backend="dense")
    torch.testing.assert_close((u, f), (v, g / sigma), rtol=1e-12, atol=1e-14)


@every_transform
@pytest.mark.parametrize("torus", TORI)
def test_the_fourier_series_is_the_sum_over_images_within_the_tail(name: str, torus: str) -> None:
    lengths = TORI[torus]
    kernel, count = MAKE[name](SIGMA[: len(lengths)]), {1: 2000, 2: 120, 3: 16}[len(lengths)]
    points, omega = displacements(lengths, 10, seed=0), frequencies(lengths, count)
    _, values, _ = images(kernel, points, lengths, {1: 60, 2: 16, 3: 5}[len(lengths)])
    found = kernel.coefficients(omega.unbind(-1), torch.tensor(lengths, dtype=torch.float64))
    assert found is not None
    error = ((points @ omega.T).cos() @ found - values.sum(1)).abs().max().item()
    assert error <= kernel.tail(2.0 * math.pi * count / max(lengths), lengths, 0) + 1e-9
    if name == "gaussian":
        assert error < 1e-9


@every_transform
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("torus", TORI)
def test_tails_bound_the_modes_and_the_images_left_out(name: str, order: int, torus: str) -> None:
    lengths = TORI[torus]
    kernel, count = MAKE[name](SIGMA[: len(lengths)]), {1: 4000, 2: 150, 3: 24}[len(lengths)]
    omega, cut = frequencies(lengths, count), 2.0 * math.pi * 4 / lengths[0]
    left_out = omega[omega.abs().amax(-1) > cut * (1.0 + 1e-12)]
    found = kernel.coefficients(left_out.unbind(-1), torch.tensor(lengths, dtype=torch.float64))
    assert found is not None
    assert (left_out.norm(dim=-1) ** order * found).sum().item() <= kernel.tail(cut, lengths, order)
    if order < 2:
        n, values, slopes = images(kernel, displacements(lengths, 20, seed=1), lengths, 5)
        sizes = values.abs() if order == 0 else slopes.norm(dim=-1)
        for shells in (0, 1, 2):
            outside = sizes[:, n.abs().amax(-1) > shells].sum(1).max().item()
            assert outside <= kernel.image_tail(lengths, shells, order) * (1.0 + 1e-12)


@every_transform
def test_the_supremum_is_attained(name: str) -> None:
    kernel = MAKE[name](SIGMA)
    assert kernel.supremum(0, 3) == 1.0
    along = torch.zeros(4001, 3, dtype=torch.float64)
    along[:, 1] = torch.linspace(1e-9, 1.0, 4001)
    along.requires_grad_()
    (slopes,) = torch.autograd.grad(kernel.evaluate(along.unbind(-1)).sum(), along)
    steepest = kernel.supremum(1, 3)
    assert steepest is not None
    assert 0.999 * steepest <= slopes.abs().max().item() <= steepest * (1.0 + 1e-12)


@every_transform
@pytest.mark.parametrize("sigma", [[0.05, 0.3], [0.5, 0.04]], ids=str)
def test_all_images_are_summed(name: str, sigma: list[float]) -> None:
    if name != "gaussian":
        sigma = [0.4 * length for length in sigma]
    kernel, x, y, weights = MAKE[name](sigma), cloud(9, 2, 0), cloud(11, 2, 1), cloud(11, 1, 2)[:, 0]
    torus = fl.PeriodicBoundary(torch.tensor([1.0, 1.5], dtype=torch.float64), images="all")
    shifts = torch.cartesian_prod(*[torch.arange(-12.0, 13.0, dtype=torch.float64)] * 2) * torch.tensor([1.0, 1.5])
    moved = x.clone().requires_grad_()
    total = torch.stack([kernel(moved, y + shift) for shift in shifts]).sum(0) @ weights
    (slopes,) = torch.autograd.grad(total.sum(), moved)
    u, f = potential_and_field(kernel, x, y, weights, boundary=torus, backend="dense")
    torch.testing.assert_close((u, f), (total.detach(), slopes), rtol=1e-11, atol=1e-11)
    assert torch.linalg.eigvalsh(kernel(x, x, torus)).min() > -1e-12
    own = potential(kernel, x, x, boundary=torus, self_pairs="images", backend="dense")
    expected = kernel(x, x, torus).mean(1) - 1.0 / 9
    torch.testing.assert_close(own, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", ["fourier", "nufft"])
@pytest.mark.parametrize(
    "boundary", [fl.PeriodicBoundary(1.0, images="all"), fl.OpenBoundary()], ids=lambda b: type(b).__name__
)
def test_series_keep_their_tolerance(backend: str, boundary: fl.Boundary) -> None:
    kernel: Kernel = fl.GaussianKernel([0.1, 0.25], learnable=True)
    x, y, weights = cloud(60, 2, 0), cloud(70, 2, 1), torch.full((70,), 1.0 / 70, dtype=torch.float64)

    def sums(**options) -> list[Tensor]:
        value, slope = potential_and_field(kernel, x, y, weights, boundary=boundary, **options)
        return [value, slope, *torch.autograd.grad(value.square().sum(), list(kernel.parameters()))]

    found, exact = sums(backend=backend, tolerance=1e-8), sums(backend="dense")
    for ours, right in zip(found, exact, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-6, atol=1e-6)
    other = potential(fl.MaternKernel([0.05, 0.1], 2.5), x, y, boundary=boundary, backend=backend, tolerance=1e-3)
    right = potential(fl.MaternKernel([0.05, 0.1], 2.5), x, y, boundary=boundary, backend="dense")
    torch.testing.assert_close(other, right, rtol=0.0, atol=1e-3)


def test_series_of_a_kernel_without_a_transform_are_refused() -> None:
    x = cloud(5, 2, 0)
    with pytest.raises(BackendError, match="not known"):
        potential(fl.InverseMultiquadricKernel([0.1, 0.2]), x, x, backend="fourier", tolerance=1e-3)
    with pytest.raises(BackendError, match="sorted"):
        potential(fl.LaplacianKernel([0.1]), x[:, :1], x[:, :1], backend="sorted")


def test_lengths_go_through_configs_and_are_assigned_in_place() -> None:
    kernel = KINDS.parse({"kind": "gaussian", "sigma": [0.1, 0.2], "learnable": True}).build()
    assert repr(kernel) == "GaussianKernel(sigma=[0.1, 0.2], learnable=True)"
    assert config.from_object(kernel).sigma == pytest.approx((0.1, 0.2))
    kernel.sigma = torch.tensor([0.3, 0.4])
    assert kernel.sigma.tolist() == pytest.approx([0.3, 0.4])
    with pytest.raises(ArgumentError, match="`sigma`"):
        kernel.sigma = torch.tensor([0.3, 0.4, 0.5])


def test_a_ladder_widens_each_length() -> None:
    (wide,) = scaled_discrepancies(fl.MMD(fl.GaussianKernel([0.1, 0.2])), (4.0,))
    assert wide.kernel.sigma.tolist() == pytest.approx([0.4, 0.8])
