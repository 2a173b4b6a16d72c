"""Runs to show: clouds that were never simulated, in memory."""

from __future__ import annotations

import torch

from interflow import PeriodicBoundary, State
from interflow.run import MemorySolution


def run(positions, *, velocities=None, boundary=None, energies=None, stats=None):
    """A solution of given positions, ``(frames, N, d)``, a time of 0.1 apart, on the unit torus by default."""
    positions = torch.as_tensor(positions, dtype=torch.float64)
    frames, count, axes = positions.shape
    times = 0.1 * torch.arange(frames, dtype=torch.float64)
    weights = torch.full((count,), 1.0 / max(count, 1), dtype=torch.float64)
    return MemorySolution(
        positions=positions,
        velocities=None if velocities is None else torch.as_tensor(velocities, dtype=torch.float64),
        weights=weights,
        times=times,
        steps=torch.arange(frames),
        scalars={"energy": torch.exp(-times) if energies is None else torch.as_tensor(energies)},
        stats={"steps": frames - 1, "seconds": 1.0, "steps_per_second": frames - 1.0} if stats is None else stats,
        final=State(positions=positions[-1], weights=weights, velocities=None, time=times[-1], step=frames - 1),
        extent=(PeriodicBoundary(1.0) if boundary is None else boundary).extent(axes),
    )


def noise(frames, count, axes, *, scale=0.05, seed=0, moving=False):
    """Particles on the unit torus that walk at random; with velocities that say nothing of it, if they are moving."""
    generator = torch.Generator().manual_seed(seed)
    steps = scale * torch.randn(frames, count, axes, generator=generator, dtype=torch.float64)
    steps[0] = torch.rand(count, axes, generator=generator, dtype=torch.float64)
    positions = steps.cumsum(0).remainder(1.0)
    velocities = torch.randn(positions.shape, generator=generator, dtype=torch.float64) if moving else None
    return run(positions, velocities=velocities)
