"""Clouds and weights for the tests of energies."""

import torch

from interflow import Kernel


def cloud(count=12, dimension=2, seed=0, dtype=torch.float64):
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def masses(count=12, seed=0, dtype=torch.float64):
    """Weights of any sum."""
    return 0.1 + torch.rand(count, generator=torch.Generator().manual_seed(100 + seed), dtype=dtype)


def shares(count=12, seed=0):
    """Weights of sum 1, not uniform."""
    return masses(count, seed) / masses(count, seed).sum()


class Skewed(Kernel):
    """``k = exp(−δ₁² − δ₁)``: not symmetric."""

    def pair(self, displacement):
        return (-displacement[0].square() - displacement[0]).exp()


def velocity_from_definition(energy, positions, weights):
    """``−(1/aᵢ) ∂E/∂xᵢ`` of `forward`, by autograd."""
    leaf = positions.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf, weights), leaf)
    share = torch.full_like(positions[:, 0], 1.0 / len(positions)) if weights is None else weights
    return -gradient / share[:, None]
