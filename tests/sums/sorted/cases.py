"""Kernels, domains and clouds of the line."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary
from interflow.kernels import DistanceKernel, Kernel, LaplacianKernel, MaternKernel, MorseKernel

KERNELS: dict[str, Callable[[], Kernel]] = {
    "distance": DistanceKernel,
    "laplacian": lambda: LaplacianKernel(0.2, learnable=True),
    "matern-1/2": lambda: MaternKernel(0.3, 0.5, learnable=True),
    "matern-3/2": lambda: MaternKernel(0.3, 1.5, learnable=True),
    "matern-5/2": lambda: MaternKernel(0.3, 2.5, learnable=True),
    "morse": lambda: MorseKernel(1.0, 0.6, 3.0, 0.2, learnable=True),
    "sum": lambda: 0.5 * LaplacianKernel(0.1) + MaternKernel(0.4, 2.5, learnable=True) - 2.0 * DistanceKernel(),
}
DECAYING = [name for name in KERNELS if name not in ("distance", "sum")]
BOUNDARIES: dict[str, Boundary] = {
    "line": OpenBoundary(),
    "circle": PeriodicBoundary(1.0),
    "another circle": PeriodicBoundary(0.75, lower=-2.0),
}


def clouds(kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two clouds of a kind, ``(40, 1)`` and ``(53, 1)``."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.rand(count, 1, generator=generator, dtype=torch.float64) for count in (40, 53))
    if kind == "clustered":
        return 0.5 + 1e-6 * x, torch.cat([0.5 + 1e-6 * y[:40], y[40:]])
    if kind == "duplicated":
        return (8 * x).floor() / 8, (8 * y).floor() / 8
    if kind == "across the seam":
        return 0.97 + 0.06 * x, 0.95 + 0.1 * y
    if kind == "offset":
        return 2.0**13 + x, 2.0**13 + y
    return x, y


CLOUDS = ["uniform", "clustered", "duplicated", "across the seam", "offset"]
