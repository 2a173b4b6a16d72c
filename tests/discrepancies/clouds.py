"""Clouds, weights and the plain formula for the tests of discrepancies."""

import torch

from interflow.boundaries import OpenBoundary


def cloud(count=12, dimension=2, seed=0, batch=(), dtype=torch.float64):
    return torch.rand(*batch, count, dimension, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def masses(count=12, seed=0, batch=(), dtype=torch.float64):
    weights = 0.1 + torch.rand(*batch, count, generator=torch.Generator().manual_seed(100 + seed), dtype=dtype)
    return weights / weights.sum(-1, keepdim=True)


def plain_mmd(k, x, y, a=None, b=None, boundary=None):
    """The formula, with k a function of the matrix of squared distances."""
    boundary = boundary or OpenBoundary()
    a = torch.full_like(x[:, 0], 1 / len(x)) if a is None else a
    b = torch.full_like(y[:, 0], 1 / len(y)) if b is None else b
    matrix = [k(boundary.squared_distances(p, q)) for p, q in ((x, x), (y, y), (x, y))]
    return a @ matrix[0] @ a + b @ matrix[1] @ b - 2 * a @ matrix[2] @ b
