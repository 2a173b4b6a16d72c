"""The supremum of a kernel or of its gradient, from samples."""

from __future__ import annotations

import torch

from interflow.kernels.base import Kernel

_RADII = torch.logspace(-6, 6, 2401, dtype=torch.float64)
"""Distances that are tried, 1 % apart; at 0 a gradient is 0 or has no value."""


def sampled_supremum(kernel: Kernel, order: int, dimension: int) -> float:
    """A lower bound of ``sup |k|`` for the order 0, of ``sup |∇k|`` for 1, from displacements along the first axis.

    Example:
        >>> from interflow import GaussianKernel
        >>> round(sampled_supremum(GaussianKernel(sigma=0.1), order=1, dimension=2), 3)  # exp(−½)/σ
        6.065
    """
    components = (_RADII.clone(), *(torch.zeros_like(_RADII) for _ in range(dimension - 1)))
    if order == 0:
        with torch.no_grad():
            at_zero = kernel.at_zero(dimension)
            sampled = kernel.evaluate(components).abs().max().item()
        return sampled if at_zero is None else max(sampled, at_zero.abs().item())
    with torch.enable_grad():
        value = kernel.evaluate((components[0].requires_grad_(), *components[1:]))
        (slope,) = torch.autograd.grad(value.sum(), components[0])
    return slope.abs().max().item()
