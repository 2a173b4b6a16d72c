"""Pair sums over all images of a torus, against the images summed one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import interflow as fl
from interflow.errors import ArgumentError
from interflow.kernels import (
    DistanceKernel,
    GaussianKernel,
    InverseMultiquadricKernel,
    Kernel,
    LaplacianKernel,
    LennardJonesKernel,
    MaternKernel,
    MorseKernel,
    SoftSphereKernel,
)
from interflow.sums import field, potential, potential_and_field
from tests.kernels.transforms import lattice
from tests.sums.cases import cloud, excess, signed_weights

LENGTHS = {1: (1.0,), 2: (1.0, 1.5), 3: (1.0, 1.2, 0.8)}
SHELLS = {1: 40, 2: 9, 3: 4}
SMOOTH: dict[str, Callable[..., Kernel]] = {
    "gaussian-narrow": partial(GaussianKernel, 0.05),
    "gaussian": partial(GaussianKernel, 0.15),
    "gaussian-wide": partial(GaussianKernel, 0.3),
    "laplacian": partial(LaplacianKernel, 0.05),
    "matern-3/2": partial(MaternKernel, 0.08, 1.5),
    "matern-5/2": partial(MaternKernel, 0.08, 2.5),
    "morse": partial(MorseKernel, 1.0, 0.06, 3.0, 0.03),
    "soft-sphere": partial(SoftSphereKernel, 1.5, 0.9),
    "wendland": partial(fl.WendlandKernel, 0.9, 1),
    "yukawa": partial(fl.YukawaKernel, 0.06),
    "lennard-jones": partial(LennardJonesKernel, 0.7, 0.02, 0.9),
}


def torus(dimension: int, images: str = "all") -> fl.PeriodicBoundary:
    return fl.PeriodicBoundary(torch.tensor(LENGTHS[dimension], dtype=torch.float64), lower=-0.2, images=images)  # type: ignore[arg-type]


def summed(kernel: Kernel, x: Tensor, y: Tensor, lengths: tuple[float, ...], shells: int) -> tuple[Tensor, Tensor]:
    """The kernel and its gradient of every pair, ``(N, M)`` and ``(N, M, d)``, from the images one by one."""
    finite = [length if math.isfinite(length) else 0.0 for length in lengths]
    n = lattice([length for length in lengths if math.isfinite(length)], shells)
    shifts = torch.zeros(len(n), len(lengths), dtype=torch.float64)
    shifts[:, [math.isfinite(length) for length in lengths]] = n
    x = x.double()[:, None].expand(-1, len(y), -1).detach().requires_grad_()
    difference = x - y.double()
    period = torch.tensor(finite, dtype=torch.float64)
    near = difference - period * (difference / period.clamp(min=1e-300)).round().detach().nan_to_num() * (period > 0)
    values = sum(kernel.evaluate((near + shift * period).unbind(-1)) for shift in shifts)
    assert isinstance(values, Tensor)
    (slopes,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), slopes


IN_SPACE = ("gaussian-narrow", "gaussian", "gaussian-wide", "soft-sphere")  # lattice sums of others have 343 images


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("name", "dimension"), [*((name, d) for name in SMOOTH for d in (1, 2)), *((name, 3) for name in IN_SPACE)]
)
def test_dense_sums_all_images(name: str, dimension: int, dtype: torch.dtype) -> None:
    kernel = SMOOTH[name]()
    x, y, weights = cloud(9, dimension, 0, dtype), cloud(11, dimension, 1, dtype), signed_weights(11, 2, dtype)
    values, slopes = summed(kernel, x, y, LENGTHS[dimension], SHELLS[dimension])
    u, f = potential_and_field(kernel, x, y, weights, boundary=torus(dimension), backend="dense")
    assert excess(u, values @ weights.double(), values, weights, dtype) <= 1
    assert excess(f, torch.einsum("ijd,j->id", slopes, weights.double()), slopes, weights, dtype) <= 1


@pytest.mark.parametrize(("backend", "name"), [("compiled", "laplacian"), ("keops", "gaussian-wide")])
def test_generated_code_sums_all_images(backend: str, name: str, ran: set[str]) -> None:
    kernel = SMOOTH[name]()
    x, y, weights = cloud(9, 2, 0), cloud(11, 2, 1), signed_weights(11, 2)
    values, slopes = summed(kernel, x, y, LENGTHS[2], SHELLS[2])
    u, f = potential_and_field(kernel, x, y, weights, boundary=torus(2), backend=backend)
    assert ran == {backend}
    assert excess(u, values @ weights, values, weights, torch.float64) <= 1
    assert excess(f, torch.einsum("ijd,j->id", slopes, weights), slopes, weights, torch.float64) <= 1


def test_one_axis_may_count_all_images_and_another_none() -> None:
    domain = fl.ProductBoundary([fl.PeriodicBoundary(0.7, images="all"), fl.OpenBoundary()])
    x, y, weights = cloud(9, 2, 0), cloud(11, 2, 1), signed_weights(11, 2)
    for kernel in (GaussianKernel(0.1), GaussianKernel(0.5), LaplacianKernel(0.1)):
        values, slopes = summed(kernel, x, y, (0.7, math.inf), 20)
        torch.testing.assert_close(kernel(x, y, domain), values, rtol=1e-12, atol=1e-14)
        u, f = potential_and_field(kernel, x, y, weights, boundary=domain, backend="dense")
        torch.testing.assert_close(u, values @ weights, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(f, torch.einsum("ijd,j->id", slopes, weights), rtol=1e-12, atol=1e-12)


def test_sums_of_kernels_count_the_images_of_each_term() -> None:
    parts = [GaussianKernel(0.4), LaplacianKernel(0.05)]
    x, y = cloud(9, 2, 0), cloud(11, 2, 1)
    whole = potential(2.0 * parts[0] - parts[1], x, y, boundary=torus(2), backend="dense")
    first, second = (potential(part, x, y, boundary=torus(2), backend="dense") for part in parts)
    torch.testing.assert_close(whole, 2.0 * first - second, rtol=1e-12, atol=1e-14)


def test_the_matrix_is_that_of_the_sum_over_images() -> None:
    kernel, x, y = GaussianKernel(0.4), cloud(9, 2, 0), cloud(11, 2, 1)
    u = potential(kernel, x, y, boundary=torus(2), backend="dense")
    torch.testing.assert_close(kernel(x, y, torus(2)).mean(1), u, rtol=1e-12, atol=1e-14)
    at_zero = kernel.at_zero(2, torus(2))
    assert at_zero is not None
    assert at_zero.item() == pytest.approx(kernel(x, x, torus(2))[0, 0].item())


def test_squared_distances_lead_to_the_nearest_image() -> None:
    x, y = cloud(9, 2, 0), cloud(11, 2, 1)
    assert torch.equal(torus(2).squared_distances(x, y), torus(2, "nearest").squared_distances(x, y))


@pytest.mark.parametrize("sigma", [0.2, 0.4])
def test_gradients_in_points_and_bandwidth_are_those_of_the_sum(sigma: float) -> None:
    kernel = GaussianKernel(sigma, learnable=True)
    x, y, weights = cloud(4, 2, 0).requires_grad_(), cloud(5, 2, 1).requires_grad_(), signed_weights(5, 2)

    def of(x: Tensor, y: Tensor, log_sigma: Tensor) -> Tensor:
        call = {"kernel.log_sigma": log_sigma}
        return torch.func.functional_call(_Potential(kernel, weights), call, (x, y))

    assert torch.autograd.gradcheck(of, (x, y, kernel.log_sigma))
    assert torch.autograd.gradgradcheck(of, (x, y, kernel.log_sigma))


class _Potential(torch.nn.Module):
    def __init__(self, kernel: Kernel, weights: Tensor) -> None:
        super().__init__()
        self.kernel, self.weights = kernel, weights

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return potential(self.kernel, x, y, self.weights, boundary=torus(2), backend="dense")


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("name", ["gaussian", "gaussian-wide", "laplacian", "matern-3/2", "matern-5/2"])
def test_definite_kernels_are_definite_on_the_torus(name: str, dimension: int) -> None:
    kernel, x = SMOOTH[name](), cloud(60, dimension, 3)
    matrix = kernel(x, x, torus(dimension))
    assert torch.linalg.eigvalsh(matrix / len(x)).min() >= -1e-12


def test_the_field_has_no_jump_at_half_a_period() -> None:
    domain, kernel = fl.PeriodicBoundary(1.0, images="all"), GaussianKernel(0.3)
    y = torch.zeros(1, 1, dtype=torch.float64)
    x = torch.tensor([[0.5 - 1e-9], [0.5], [0.5 + 1e-9]], dtype=torch.float64)
    slopes = field(kernel, x, y, boundary=domain, backend="dense")
    assert slopes.abs().max() < 1e-7
    nearest = field(kernel, x, y, boundary=fl.PeriodicBoundary(1.0), backend="dense")
    assert (nearest[0] - nearest[2]).abs() > 1.0


def test_a_narrow_gaussian_has_the_formula_of_the_nearest_image() -> None:
    x, y = cloud(9, 2, 0), cloud(11, 2, 1)
    near, every = (potential(GaussianKernel(0.03), x, y, boundary=torus(2, images)) for images in ("nearest", "all"))
    assert torch.equal(near, every)


def test_a_bandwidth_assigned_later_brings_its_own_number_of_images() -> None:
    kernel, x, y = GaussianKernel(0.05), cloud(9, 2, 0), cloud(11, 2, 1)
    potential(kernel, x, y, boundary=torus(2))
    for sigma in (0.2, 0.7, 0.1):
        kernel.sigma = sigma  # type: ignore[assignment]
        values, _ = summed(kernel, x, y, LENGTHS[2], SHELLS[2])
        torch.testing.assert_close(potential(kernel, x, y, boundary=torus(2)), values.mean(1), rtol=1e-12, atol=1e-14)


def test_a_cutoff_may_be_longer_than_half_a_period() -> None:
    x, y = cloud(4, 2, 0), cloud(5, 2, 1)
    potential(SoftSphereKernel(1.0, 1.7), x, y, boundary=torus(2))
    with pytest.raises(ArgumentError, match="cutoff"):
        potential(SoftSphereKernel(1.0, 1.7), x, y, boundary=torus(2, "nearest"))


@pytest.mark.parametrize(
    "kernel",
    [
        DistanceKernel(),
        InverseMultiquadricKernel(0.1),
        fl.LogarithmicKernel(0.1),
        GaussianKernel(0.1) + DistanceKernel(),
    ],
    ids=lambda kernel: type(kernel).__name__,
)
def test_a_sum_that_does_not_converge_is_refused_with_the_remedy(kernel: Kernel) -> None:
    with pytest.raises(ArgumentError, match="BandlimitedEnergyKernel"):
        potential(kernel, cloud(4, 2, 0), cloud(5, 2, 1), boundary=torus(2))


def test_a_kernel_over_too_many_images_is_refused() -> None:
    with pytest.raises(ArgumentError, match="wider than the domain"):
        potential(LaplacianKernel(5.0), cloud(4, 2, 0), cloud(5, 2, 1), boundary=torus(2))


def test_transforms_of_functions_see_the_images() -> None:
    x, y = cloud(4, 2, 0), cloud(5, 2, 1)
    module = _Potential(GaussianKernel(0.3, learnable=True), signed_weights(5, 2))

    def energy(log_sigma: Tensor) -> Tensor:
        return torch.func.functional_call(module, {"kernel.log_sigma": log_sigma}, (x, y)).sum()

    at = torch.tensor(-1.0, dtype=torch.float64)
    step = 1e-5
    slope = (energy(at + step) - energy(at - step)) / (2 * step)
    torch.testing.assert_close(torch.func.grad(energy)(at), slope, rtol=1e-7, atol=1e-9)
    with pytest.raises(ArgumentError, match="Batch over points"):
        torch.func.vmap(energy)(at.expand(2))


def test_a_compiled_graph_notices_that_it_has_the_wrong_number_of_images() -> None:
    kernel, x, y = GaussianKernel(0.3), cloud(9, 2, 0), cloud(11, 2, 1)

    @partial(torch.compile, fullgraph=True, backend="aot_eager")
    def compiled(x: Tensor, y: Tensor) -> Tensor:
        return potential(kernel, x, y, boundary=torus_of_all, backend="dense")

    torus_of_all = torus(2)
    torch.testing.assert_close(compiled(x, y), potential(kernel, x, y, boundary=torus_of_all, backend="dense"))
    kernel.sigma = 0.3001  # type: ignore[assignment]
    torch.testing.assert_close(compiled(x, y), potential(kernel, x, y, boundary=torus_of_all, backend="dense"))
    kernel.sigma = 0.6  # type: ignore[assignment]
    with pytest.raises(ArgumentError, match="Compile it again"):
        compiled(x, y)


@pytest.mark.parametrize("images", ["nearest", "all"])
def test_a_config_keeps_the_images(images: str) -> None:
    domain = fl.config.from_object(torus(2, images)).build()
    assert domain.images == images
    assert fl.config.from_object(domain) == fl.config.from_object(torus(2, images))


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(ArgumentError, match="images"):
        fl.PeriodicBoundary(1.0, images="some")  # type: ignore[arg-type]
