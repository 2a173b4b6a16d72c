"""The closed forms that benchmarks measure errors against agree with autograd of the plain formulas in float64."""

from __future__ import annotations

import pytest
import torch

from benchmarks import peers, references

SIGMA = 0.2


@pytest.fixture
def clouds():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(n, 2, generator=generator, dtype=torch.float64) for n in (7, 9)]


def plain_potential(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    delta = x[:, None, :] - y
    delta = torch.remainder(delta + 0.5, 1.0) - 0.5
    return (-delta.square().sum(-1) / (2 * SIGMA**2)).exp() @ weights


def test_the_gaussian_sums_are_value_gradient_and_hessian_of_one_formula(clouds):
    x, y = clouds
    weights = torch.linspace(-1.0, 2.0, len(y), dtype=torch.float64)
    c = x.flip(0)
    x = x.requires_grad_()
    potential = plain_potential(x, y, weights)
    (field,) = torch.autograd.grad(potential.sum(), x, create_graph=True)
    (hessian,) = torch.autograd.grad(field, x, c)
    x = x.detach()
    assert torch.allclose(references.gaussian_potential(x, y, weights, SIGMA), potential)
    assert torch.allclose(references.gaussian_field(x, y, weights, SIGMA), field)
    found = references.gaussian_hessian(x, y, weights, SIGMA, c, torch.zeros_like(y))
    assert torch.allclose(found, hessian)


def test_the_field_of_all_images_is_a_gradient_of_the_sum_over_images(clouds):
    x, y = clouds[0].requires_grad_(), clouds[1]
    weights = torch.linspace(-1.0, 2.0, len(y), dtype=torch.float64)
    shifts = torch.cartesian_prod(*[torch.arange(-2.0, 3.0, dtype=torch.float64)] * 2)
    delta = x[:, None, None, :] - y[:, None, :] + shifts
    potential = (-delta.square().sum(-1) / (2 * SIGMA**2)).exp().sum(-1) @ weights
    (field,) = torch.autograd.grad(potential.sum(), x)
    found = references.gaussian_field_of_all_images(x.detach(), y, weights, SIGMA)
    assert torch.allclose(found, field)
    assert not torch.allclose(found, references.gaussian_field(x.detach(), y, weights, SIGMA), rtol=1e-4)


def test_the_hessian_of_a_cloud_on_itself_counts_both_sides(clouds):
    x = clouds[0].requires_grad_()
    weights = torch.full((len(x),), 1 / len(x), dtype=torch.float64)
    c = x.detach().flip(0)
    (field,) = torch.autograd.grad(plain_potential(x, x.detach(), weights).sum(), x, create_graph=True)
    assert torch.allclose(field, references.gaussian_field(x.detach(), x.detach(), weights, SIGMA))
    (by_both,) = torch.autograd.grad((c * self_field(x)).sum(), x)
    found = references.gaussian_hessian(x.detach(), x.detach(), weights, SIGMA, c, c)
    assert torch.allclose(found, by_both)


def self_field(x: torch.Tensor) -> torch.Tensor:
    """The field of a cloud on itself, differentiable in both of its roles."""
    delta = torch.remainder(x[:, None, :] - x + 0.5, 1.0) - 0.5
    profile = (-delta.square().sum(-1) / (2 * SIGMA**2)).exp()
    return -(profile[..., None] * delta).mean(1) / SIGMA**2


def test_the_peers_compute_the_same_field(clouds):
    x = clouds[0]
    weights = torch.full((len(x),), 1 / len(x), dtype=torch.float64)
    expected = references.gaussian_field(x, x, weights, SIGMA)
    assert torch.allclose(peers.plain_gaussian_field(x, x, SIGMA), expected)


def test_the_energy_distance_and_its_gradient_belong_together(clouds):
    x, y = clouds

    def mean_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return ((a[:, None, :] - b).square().sum(-1) + 1e-30).sqrt().mean()

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)

    value, gradient = peers.value_and_gradient(loss, x, y)
    assert references.energy_distance(x, y) == pytest.approx(float(value))
    assert torch.allclose(references.energy_distance_gradient(x, x, y), gradient)
