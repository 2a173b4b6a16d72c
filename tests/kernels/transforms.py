"""Kernels with a known transform, and their sums over images and modes written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from interflow.kernels import GaussianKernel, Kernel, LaplacianKernel, MaternKernel

KERNELS: dict[str, Callable[..., Kernel]] = {
    "gaussian": GaussianKernel,
    "laplacian": LaplacianKernel,
    "matern-1/2": partial(MaternKernel, nu=0.5),
    "matern-3/2": partial(MaternKernel, nu=1.5),
    "matern-5/2": partial(MaternKernel, nu=2.5),
    "sum": lambda sigma: 2.0 * GaussianKernel(2.0 * sigma) - 0.5 * MaternKernel(sigma, 2.5),
}
TORI: dict[str, tuple[float, ...]] = {
    "circle": (1.5,),
    "plane": (1.0, 1.5),
    "space": (1.0, 1.2, 0.8),
}


def lattice(lengths: Sequence[float], count: int) -> Tensor:
    """``n`` with ``|nₐ|`` up to a count, ``(…, d)``."""
    return torch.cartesian_prod(*[torch.arange(-count, count + 1, dtype=torch.float64)] * len(lengths)).reshape(
        -1, len(lengths)
    )


def frequencies(lengths: Sequence[float], count: int) -> Tensor:
    """``ωₖ = 2πk/L``, ``(…, d)``."""
    return 2.0 * math.pi * lattice(lengths, count) / torch.tensor(lengths, dtype=torch.float64)


def displacements(lengths: Sequence[float], count: int, seed: int) -> Tensor:
    """Nearest images: random ones, and those on the rim of their cell, where bounds are attained."""
    generator = torch.Generator().manual_seed(seed)
    inside = torch.rand(count, len(lengths), generator=generator, dtype=torch.float64) - 0.5
    rim = torch.cartesian_prod(*[torch.tensor([-0.5, 0.0, 0.5], dtype=torch.float64)] * len(lengths))
    return torch.cat([inside, rim.reshape(-1, len(lengths))]) * torch.tensor(lengths, dtype=torch.float64)


def images(kernel: Kernel, displacement: Tensor, lengths: Sequence[float], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The lattice n, and of each image of each displacement the kernel and the gradient."""
    n = lattice(lengths, count)
    shifted = displacement[:, None] + n * torch.tensor(lengths, dtype=torch.float64)
    shifted = shifted.detach().requires_grad_()
    values = kernel.evaluate(shifted.unbind(-1))
    (slopes,) = torch.autograd.grad(values.sum(), shifted)
    return n, values.detach(), slopes
