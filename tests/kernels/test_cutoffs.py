"""Kernels of finite range."""

from __future__ import annotations

import pytest
import torch

import interflow as fl
from interflow.errors import ArgumentError
from interflow.sums import potential


def values(kernel: fl.Kernel, *distances: float, order: int = 0) -> torch.Tensor:
    """The kernel, or a derivative of it, at some distances."""
    r = torch.tensor(distances, dtype=torch.float64, requires_grad=True)
    result = kernel.evaluate((r,))
    for _ in range(order):
        (result,) = torch.autograd.grad(result.sum(), r, create_graph=True)
    return result.detach()


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 2.5, 3.0, 4.2])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_soft_sphere_and_all_its_derivatives_are_0_beyond_its_diameter(exponent: float, order: int) -> None:
    kernel = fl.SoftSphereKernel(1.0, 0.5, exponent)
    assert values(kernel, 0.5, 0.50001, 0.7, 100.0, order=order).tolist() == [0.0] * 4


@pytest.mark.parametrize("exponent", [1.5, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_soft_sphere_is_continuous_at_its_diameter_whatever_the_rounding(exponent: float, dtype: torch.dtype) -> None:
    for step in range(100):
        sigma = torch.tensor(0.3 + 0.01 * step, dtype=dtype)
        below = torch.nextafter(sigma, torch.zeros_like(sigma))
        around = torch.stack([below, sigma, torch.nextafter(sigma, 2 * sigma)])
        found = fl.SoftSphereKernel(1.0, sigma.item(), exponent).to(dtype).evaluate((around,))
        assert found.abs().max() < 1e-9


def test_lennard_jones_is_continuous_at_its_cutoff_and_0_beyond() -> None:
    kernel = fl.LennardJonesKernel(1.0, 1.0, cutoff=2.5)
    inside, at, beyond = values(kernel, 2.5 - 1e-9, 2.5, 7.0)
    assert abs(inside) < 1e-9
    assert at == beyond == 0.0


def test_lennard_jones_well_has_the_depth_epsilon_at_the_sixth_root_of_2() -> None:
    kernel, bottom = fl.LennardJonesKernel(0.7, 0.3), 2 ** (1 / 6) * 0.3
    assert values(kernel, bottom).item() == pytest.approx(-0.7, rel=1e-14)
    assert values(kernel, bottom, order=1).item() == pytest.approx(0.0, abs=1e-11)


def test_cutoff_may_be_set_moved_and_taken_away() -> None:
    kernel = fl.LennardJonesKernel(1.0, 1.0)
    assert kernel.cutoff is None
    free = values(kernel, 2.0)
    kernel.cutoff = 1.5  # type: ignore[assignment]
    assert values(kernel, 2.0) == 0.0
    kernel.cutoff = 2.5  # type: ignore[assignment]
    assert values(kernel, 2.0) != 0.0
    assert kernel.state_dict()["cutoff"] == 2.5
    kernel.cutoff = None
    assert values(kernel, 2.0) == free


def test_soft_sphere_has_one_tensor_for_diameter_and_cutoff() -> None:
    kernel = fl.SoftSphereKernel(1.0, 0.5, learnable=True)
    assert [name for name, _ in kernel.named_parameters()] == ["log_epsilon", "log_sigma"]
    kernel.sigma = 0.25  # type: ignore[assignment]
    assert kernel.cutoff.item() == pytest.approx(0.25)
    assert values(kernel, 0.3) == 0.0


@pytest.mark.parametrize(
    "kernel",
    [
        fl.SoftSphereKernel(1.0, 0.6),
        fl.LennardJonesKernel(1.0, 0.1, cutoff=0.6),
        fl.GaussianKernel(1.0) - 2.0 * fl.SoftSphereKernel(1.0, 0.6),
    ],
    ids=repr,
)
def test_cutoff_over_half_a_period_is_refused_wherever_it_stands(kernel: fl.Kernel) -> None:
    x, narrow = torch.rand(3, 2), fl.ProductBoundary([fl.PeriodicBoundary(3.0), fl.PeriodicBoundary(1.0)])
    with pytest.raises(ArgumentError, match="`cutoff`"):
        potential(kernel, x, x, boundary=narrow)
    assert potential(kernel, x, x + 0.1, boundary=fl.PeriodicBoundary(1.2)).shape == (3,)


def test_a_kernel_of_ones_own_declares_its_cutoff_by_an_assignment() -> None:
    class Bump(fl.RadialKernel):
        def __init__(self, radius: float) -> None:
            super().__init__()
            self.cutoff = fl.PositiveParameter(radius)

        def profile(self, squared_distance: torch.Tensor) -> torch.Tensor:
            return squared_distance.cos()

    assert values(Bump(1.0), 0.0, 0.999, 1.0).tolist()[::2] == [1.0, 0.0]
