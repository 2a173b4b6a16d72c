"""Coefficients are those of the sum over images, and the bounds of tails bound."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.special import j0
from torch import Tensor
from torch.autograd import gradcheck

from interflow.kernels import DistanceKernel, GaussianKernel, Kernel, LaplacianKernel, MaternKernel, RadialKernel
from interflow.parameters import hyperparameters, substitute
from tests.kernels.cases import crossed
from tests.kernels.transforms import KERNELS, TORI, displacements, frequencies, images

every_kernel = pytest.mark.parametrize("name", KERNELS)
every_torus = pytest.mark.parametrize("torus", TORI)
every_order = pytest.mark.parametrize("order", [0, 1])
MODES = {1: 4000, 2: 150, 3: 24}
SHELLS = {1: 40, 2: 12, 3: 5}
SMOOTHNESS = {"laplacian": 0.5, "matern-1/2": 0.5, "matern-3/2": 1.5, "matern-5/2": 2.5, "sum": 2.5}


def coefficients(kernel: Kernel, omega: Tensor, lengths: tuple[float, ...]) -> Tensor:
    found = kernel.coefficients(omega.unbind(-1), torch.tensor(lengths, dtype=torch.float64))
    assert found is not None
    return found


@every_kernel
@every_torus
def test_the_fourier_series_is_the_sum_over_images_within_the_tail(name: str, torus: str) -> None:
    kernel, lengths = KERNELS[name](sigma=0.15), TORI[torus]
    points = displacements(lengths, 10, seed=0)
    _, values, _ = images(kernel, points, lengths, SHELLS[len(lengths)])
    omega = frequencies(lengths, MODES[len(lengths)])
    series = (points @ omega.T).cos() @ coefficients(kernel, omega, lengths)
    cut = 2.0 * math.pi * MODES[len(lengths)] / max(lengths)
    error = (series - values.sum(1)).abs().max().item()
    assert error <= kernel.tail(cut, lengths, 0) + 1e-12
    if name in ("gaussian", "matern-5/2", "sum"):
        assert error < 1e-4  # the tail is not a bound for being large


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "sum"])
@pytest.mark.parametrize("omega", [0.0, 1.0, 7.5, 20.0])
def test_coefficients_are_fourier_integrals(name: str, omega: float) -> None:
    kernel = KERNELS[name](sigma=0.3)
    assert isinstance(kernel, RadialKernel)

    def profile(r: float) -> float:
        return kernel.profile(torch.tensor(r * r, dtype=torch.float64)).item()

    def sine(r: float) -> float:
        return math.sin(omega * r) / omega if omega else r

    radial = {
        1: lambda r: 2.0 * math.cos(omega * r) * profile(r),
        2: lambda r: 2.0 * math.pi * r * j0(omega * r) * profile(r),
        3: lambda r: 4.0 * math.pi * r * sine(r) * profile(r),
    }
    for dimension, integrand in radial.items():
        lengths = (2.0,) * dimension
        expected = quad(integrand, 0.0, 15.0, limit=500, epsabs=1e-12)[0] / math.prod(lengths)
        found = coefficients(kernel, torch.tensor([[omega] + [0.0] * (dimension - 1)]).double(), lengths)
        assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-10)


@every_torus
def test_coefficients_are_positive_and_sum_to_no_more_than_the_tail_of_all(torus: str) -> None:
    kernel, lengths = MaternKernel(0.1, 2.5), TORI[torus]
    found = coefficients(kernel, frequencies(lengths, 20), lengths)
    assert bool((found > 0).all())
    constant = coefficients(kernel, torch.zeros(1, len(lengths), dtype=torch.float64), lengths)
    assert (found.sum() - constant).item() <= kernel.tail(0.0, lengths, 0)


@every_kernel
@pytest.mark.parametrize("shape", [(), (2,)], ids=["one length", "one an axis"])
def test_coefficients_are_differentiable_in_the_bandwidth_and_the_lengths(name: str, shape: tuple[int, ...]) -> None:
    omega = torch.linspace(0.0, 7.0, 5, dtype=torch.float64)
    kernel = KERNELS[name](sigma=torch.ones(shape))

    def of(sigma: Tensor, lengths: Tensor) -> Tensor:
        values = {key: sigma * old if key.endswith("sigma") else old for key, old in hyperparameters(kernel).items()}
        coefficients = substitute(kernel, values).coefficients([omega, omega.flip(0)], lengths)
        assert coefficients is not None
        return coefficients

    sigma = torch.linspace(0.4, 0.7, 2, dtype=torch.float64)[: max(1, sum(shape))].reshape(shape).requires_grad_()
    lengths = torch.tensor([1.0, 1.5], dtype=torch.float64, requires_grad=True)
    assert gradcheck(of, (sigma, lengths))


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@crossed(
    "name, torus, waves, sigma",
    list(KERNELS),
    list(TORI),
    [2, 5, 12],
    [0.03, 0.1, 0.3],
    few=lambda name, torus, waves, sigma: (
        (waves, sigma) == (5, 0.1) or (torus == "plane" and name in ("gaussian", "matern-5/2"))
    ),
)
def test_the_tail_bounds_the_modes_left_out_and_is_near_them(
    name: str, torus: str, order: int, waves: int, sigma: float
) -> None:
    if order >= 2 * SMOOTHNESS.get(name, math.inf):
        pytest.skip("the sum over all modes does not converge")
    kernel, lengths = KERNELS[name](sigma=sigma), TORI[torus]
    omega = frequencies(lengths, MODES[len(lengths)])
    cut = 2.0 * math.pi * waves / lengths[0]
    left_out = omega[omega.abs().amax(-1) > cut * (1.0 + 1e-12)]
    sizes = left_out.norm(dim=-1) ** order * coefficients(kernel, left_out, lengths).abs()
    bound, summed = kernel.tail(cut, lengths, order), sizes.sum().item()
    assert summed <= bound
    if name in ("gaussian", "matern-5/2") and sigma * cut > 3.0:  # others go on beyond the modes that are summed here
        assert bound <= 10.0 * summed or bound < 1e-30


@every_torus
@pytest.mark.parametrize("kernel", [LaplacianKernel(0.1), MaternKernel(0.1, 0.5)], ids=["laplacian", "matern-1/2"])
def test_no_number_of_modes_bounds_the_field_of_a_cusp(kernel: Kernel, torus: str) -> None:
    assert kernel.tail(1e6, TORI[torus], 1) == math.inf
    assert kernel.tail(1e6, TORI[torus], 0) < math.inf


@every_order
@crossed(
    "name, torus, shells, sigma",
    list(KERNELS),
    list(TORI),
    [0, 1, 2],
    [0.05, 0.2],
    few=lambda name, torus, shells, sigma: (
        (shells, sigma) == (1, 0.2) or (torus == "plane" and name in ("gaussian", "matern-5/2"))
    ),
)
def test_the_image_tail_bounds_the_images_left_out(
    name: str, torus: str, order: int, shells: int, sigma: float
) -> None:
    kernel, lengths = KERNELS[name](sigma=sigma), TORI[torus]
    n, values, slopes = images(kernel, displacements(lengths, 20, seed=1), lengths, SHELLS[len(lengths)])
    sizes = values.abs() if order == 0 else slopes.norm(dim=-1)
    left_out = sizes[:, n.abs().amax(-1) > shells].sum(1).max().item()
    bound = kernel.image_tail(lengths, shells, order)
    assert left_out <= bound
    assert bound <= 150.0 * left_out or bound < 1e-150  # less than a shell more


@every_torus
@pytest.mark.parametrize("name", ["gaussian", "matern-3/2", "matern-5/2"])
@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_the_image_tail_bounds_second_derivatives(name: str, torus: str, sigma: float) -> None:
    kernel, lengths = KERNELS[name](sigma=sigma), TORI[torus]
    points = displacements(lengths, 8, seed=1)
    steps = torch.cartesian_prod(*[torch.arange(-2.0, 3.0)] * len(lengths)).double().view(-1, len(lengths))
    steps = steps[steps.abs().amax(-1) > 0] * torch.tensor(lengths, dtype=torch.float64)
    apart = points[:, None] + steps
    hessians = torch.func.vmap(torch.func.vmap(torch.func.hessian(lambda delta: kernel.evaluate(delta.unbind()))))
    sizes = torch.linalg.matrix_norm(hessians(apart), ord=2).sum(1)
    assert sizes.max().item() <= kernel.image_tail(lengths, 0, 2)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_tails_fall_with_what_is_kept(order: int) -> None:
    for name in ("gaussian", "matern-3/2", "sum"):
        kernel = KERNELS[name](sigma=0.1)
        tails = [kernel.tail(frequency, (1.0, 1.5), order) for frequency in (0.0, 10.0, 30.0, 100.0, 300.0)]
        assert tails == sorted(tails, reverse=True)
        tails = [kernel.image_tail((1.0, 1.5), shells, order) for shells in range(5)]
        assert tails == sorted(tails, reverse=True)


def test_a_mode_at_the_frequency_is_not_left_out() -> None:
    kernel, length = GaussianKernel(0.1), 0.7
    for wave in range(1, 30):
        exact = [kernel.tail(2.0 * math.pi * wave / length * factor, (length,), 0) for factor in (1.0, 1.0 + 1e-9)]
        assert exact[0] == exact[1]


def test_an_axis_without_images_adds_none() -> None:
    for make in KERNELS.values():
        kernel = make(sigma=0.2)
        assert kernel.image_tail((1.0, math.inf), 0, 0) == pytest.approx(kernel.image_tail((1.0,), 0, 0))


def test_scales_multiply_and_a_factor_of_0_leaves_nothing() -> None:
    kernel = GaussianKernel(0.1)
    assert (-3.0 * kernel).tail(9.0, (1.0,), 1) == pytest.approx(3.0 * kernel.tail(9.0, (1.0,), 1))
    nothing = 0.0 * DistanceKernel()
    assert nothing.tail(1.0, (1.0,), 0) == nothing.image_tail((1.0,), 0, 0) == 0.0


def test_nothing_is_promised_of_a_kernel_without_a_known_transform() -> None:
    kernel = GaussianKernel(0.1) + DistanceKernel()
    assert kernel.coefficients([torch.zeros(1)] * 2, torch.ones(1)) is None
    assert kernel.tail(10.0, (1.0,), 0) == kernel.image_tail((1.0,), 3, 0) == math.inf
    assert kernel.supremum(0, 2) is None


@every_kernel
@every_order
def test_suprema_are_those_of_a_fine_grid(name: str, order: int) -> None:
    kernel = KERNELS[name](sigma=0.3)
    radii = torch.linspace(1e-6, 3.0, 100_001, dtype=torch.float64, requires_grad=True)
    values = kernel.evaluate((radii, torch.zeros_like(radii)))
    (slopes,) = torch.autograd.grad(values.sum(), radii)
    largest = (values if order == 0 else slopes).abs().max().item()
    assert kernel.supremum(order, 2) == pytest.approx(largest, rel=1e-3)
