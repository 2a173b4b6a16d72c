"""Clouds that are hard for series, and sums of exponentials one by one."""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.sums.series import Modes, NonuniformFFT, Phases, Transform

TRANSFORMS: dict[str, Transform] = {"phases": Phases(tile=500), "finufft": NonuniformFFT.to(1e-12)}
ERRORS = {"phases": 1e-13, "finufft": 1e-11}


def modes_of(dimension: int) -> Modes:
    """A rectangular torus away from the origin."""
    return Modes((1.0, 2.0, 0.7)[:dimension], (6, 4, 2)[:dimension], (0.1, -0.2, 0.0)[:dimension])


def hard_cloud(count: int, dimension: int, seed: int) -> Tensor:
    """``(count, d)`` in and about the unit cube: uniform, clustered at its corner across the seam, and duplicated."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, dimension, dtype=torch.float64, generator=generator)
    clustered = torch.randn(count // 3, dimension, dtype=torch.float64, generator=generator)
    points[: count // 3] = 0.99 + 0.03 * clustered
    points[count // 3 : count // 2] = points[:1]
    return points


def batch_of_clouds(batch: int, count: int, dimension: int) -> Tensor:
    """``(batch, d, count)``."""
    return torch.stack([hard_cloud(count, dimension, seed).mT for seed in range(batch)])


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def exponentials(points: Tensor, modes: Modes) -> Tensor:
    """``exp(i ωₖ·(x − origin))``, shape ``(batch, modes, N)``."""
    frequencies = torch.stack([part.expand(modes.shape).flatten() for part in modes.frequencies(points.device)], 1)
    shifted = points - torch.tensor(modes.origin, dtype=torch.float64)[:, None]
    return torch.exp(1j * (frequencies @ shifted))
