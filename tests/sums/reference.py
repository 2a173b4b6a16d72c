"""Pair sums in float64 from the matrix of all pairs and autograd: what the engine is held to, and none of its code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.kernels import Kernel


@dataclass(frozen=True)
class Pairs:
    """The kernel and its gradient on every pair.

    Attributes:
        values: ``k(xᵢ, yⱼ)``, shape ``(N, M)``; 0 for a pair that is left out.
        slopes: ``∇ₓ k(xᵢ, yⱼ)``, shape ``(N, M, d)``; likewise.
    """

    values: Tensor
    slopes: Tensor


def pairs(kernel: Kernel, x: Tensor, y: Tensor, boundary: Boundary | None = None, *, self_pairs: bool = True) -> Pairs:
    """All pairs, differentiable to any order where the kernel is smooth."""
    boundary = OpenBoundary() if boundary is None else boundary
    x, y = boundary.fold(x.double()), boundary.fold(y.double())
    kept = torch.ones(len(x), len(y), dtype=torch.bool)
    if not self_pairs:
        kept.fill_diagonal_(False)
    i, j = kept.nonzero(as_tuple=True)
    with torch.enable_grad():
        displacement = boundary.displacement(x[i], y[j])
        if not displacement.requires_grad:
            displacement.requires_grad_()
        values = kernel.evaluate(tuple(displacement.unbind(-1)))
        (slopes,) = torch.autograd.grad(values.sum(), displacement, create_graph=True)
    return Pairs(
        x.new_zeros(len(x), len(y)).index_put((i, j), values),
        x.new_zeros(len(x), len(y), x.shape[1]).index_put((i, j), slopes),
    )


def uniform(y: Tensor) -> Tensor:
    """Weights ``1/M``."""
    return torch.full((len(y),), 1.0 / max(len(y), 1), dtype=torch.float64)


def potential(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: bool = True,
) -> Tensor:
    weights = uniform(y) if weights is None else weights.double()
    return pairs(kernel, x, y, boundary, self_pairs=self_pairs).values @ weights


def field(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: bool = True,
) -> Tensor:
    weights = uniform(y) if weights is None else weights.double()
    return torch.einsum("ijd,j->id", pairs(kernel, x, y, boundary, self_pairs=self_pairs).slopes, weights)


def quadratic(
    kernel: Kernel,
    x: Tensor,
    weights: Tensor,
    *,
    boundary: Boundary | None = None,
    self_pairs: bool = True,
) -> Tensor:
    return weights @ pairs(kernel, x, x, boundary, self_pairs=self_pairs).values @ weights


def bilinear(
    kernel: Kernel, x: Tensor, y: Tensor, x_weights: Tensor, y_weights: Tensor, *, boundary: Boundary | None = None
) -> Tensor:
    return x_weights @ pairs(kernel, x, y, boundary).values @ y_weights
