"""PLACEHOLDER while the engine is being written: same signatures and semantics, O(NM) memory, plain autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.kernels import Kernel


def _matrix(kernel, x, y, boundary, self_pairs):
    diff = (boundary or OpenBoundary()).displacement(x[..., :, None, :], y[..., None, :, :])
    k = kernel.evaluate(tuple(diff.unbind(-1)))
    if not self_pairs:
        k = torch.where(torch.eye(x.shape[-2], dtype=torch.bool), 0.0, k)
    return k


def _weights(x, weights):
    return weights if weights is not None else x.new_full(x.shape[:-1], 1.0 / max(x.shape[-2], 1))


def potential(kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor | None = None, *, boundary: Boundary | None = None,
              self_pairs: bool = True, backend: str = "auto", tolerance: float | None = None) -> Tensor:
    return (_matrix(kernel, x, y, boundary, self_pairs) * _weights(y, weights)[..., None, :]).sum(-1)


def potential_and_field(kernel, x, y, weights=None, *, boundary=None, self_pairs=True, backend="auto", tolerance=None):
    leaf = x if x.requires_grad else x.detach().requires_grad_()
    rows = leaf * 1.0
    with torch.enable_grad():
        u = potential(kernel, rows, y, weights, boundary=boundary, self_pairs=self_pairs)
        (f,) = torch.autograd.grad(u.sum(), rows, create_graph=True)
    return (u, f) if torch.is_grad_enabled() else (u.detach(), f.detach())


def field(kernel, x, y, weights=None, **options):
    return potential_and_field(kernel, x, y, weights, **options)[1]


def quadratic(kernel, x, weights=None, *, boundary=None, self_pairs=True, backend="auto", tolerance=None):
    w = _weights(x, weights)
    return (w * potential(kernel, x, x, w, boundary=boundary, self_pairs=self_pairs)).sum(-1)


def bilinear(kernel, x, y, x_weights=None, y_weights=None, *, boundary=None, backend="auto", tolerance=None):
    return (_weights(x, x_weights) * potential(kernel, x, y, y_weights, boundary=boundary)).sum(-1)
