"""The law of the notebook that the project grew from: the velocity of a closed form, of autograd and of the engine."""

from __future__ import annotations

import math

import torch

from interflow.boundaries import PeriodicBoundary
from interflow.kernels import GaussianKernel
from interflow.sums import field, quadratic
from tests.sums.cases import cloud

SIGMA = 0.1


def gradient_in_closed_form(x: torch.Tensor) -> torch.Tensor:
    """``(1/N) Σⱼ −δᵢⱼ/σ² exp(−|δᵢⱼ|²/2σ²)`` on the unit torus."""
    delta = x[:, None] - x[None]
    delta = delta - delta.round()
    k = torch.exp(-delta.square().sum(-1) / (2 * SIGMA**2))
    return -(k[..., None] * delta).mean(1) / SIGMA**2


def energy(x: torch.Tensor) -> torch.Tensor:
    """``(1/2N²) Σᵢⱼ k(xᵢ, xⱼ)``, whose gradient is 1/N of the field."""
    delta = x[:, None] - x[None]
    delta = delta - delta.round()
    return 0.5 * torch.exp(-delta.square().sum(-1) / (2 * SIGMA**2)).mean()


def test_closed_form_autograd_and_engine_agree():
    count = 2000
    kernel, torus = GaussianKernel(SIGMA), PeriodicBoundary(1.0)
    x = cloud(count, 2, 0, torch.float32)
    exact = gradient_in_closed_form(x.double())
    leaf = x.clone().requires_grad_()
    by_autograd = count * torch.autograd.grad(energy(leaf), leaf)[0]
    by_field = field(kernel, x, x, boundary=torus, backend="dense")
    by_form = 0.5 * count * torch.autograd.grad(quadratic(kernel, leaf, boundary=torus, backend="dense"), leaf)[0]
    steepest = math.exp(-0.5) / SIGMA  # of the kernel, at r = σ
    size = exact.norm() + 0.01 * count**0.5 * steepest
    for computed in (by_field, by_form, by_autograd, gradient_in_closed_form(x)):
        assert (computed.double() - exact).norm() <= 3e-7 * size
