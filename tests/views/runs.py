"""Solutions to draw, with positions as they are given."""

from __future__ import annotations

import torch

from interflow import OpenBoundary
from interflow.run import MemorySolution
from interflow.state import State


def solution(frames=8, count=30, dimension=2, boundary=None, *, positions=None, energies=None, **scalars):
    """Random clouds of the unit box, unless positions ``(frames, N, d)`` are given."""
    if positions is None:
        positions = torch.rand(frames, count, dimension, generator=torch.Generator().manual_seed(0))
    frames, count, dimension = positions.shape
    energies = torch.linspace(3, 1, frames) if energies is None else energies
    weights = torch.full((count,), 1 / max(count, 1), dtype=positions.dtype)
    return MemorySolution(
        positions=positions,
        velocities=None,
        weights=weights,
        times=torch.linspace(0, 1, frames, dtype=torch.float64),
        steps=torch.arange(frames),
        scalars={"energy": energies, **scalars},
        stats={},
        final=State(positions[-1], weights),
        extent=(boundary or OpenBoundary()).extent(dimension),
    )
