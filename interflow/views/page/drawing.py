"""What a page draws of a run: which particles and axes, in which box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray

from interflow.boundaries import Extent
from interflow.errors import ArgumentError
from interflow.solution import Solution
from interflow.views.page.packing import Cloud

PARTICLES: Final = 1_000_000
"""Particles drawn; of a larger cloud, evenly spread ones."""
AXES: Final = 3


@final
class Drawing:
    """The part of a run that is drawn, read frame by frame.

    Args:
        solution: in memory or on disk.
    """

    def __init__(self, solution: Solution) -> None:
        self._solution = solution
        _, self.particles, self.dimension = solution.positions.shape
        self.axes = min(self.dimension, AXES)
        self.count = min(self.particles, PARTICLES)
        self._chosen = (
            np.linspace(0, self.particles - 1, self.count).astype(int) if self.count < self.particles else slice(None)
        )
        extent = solution.extent
        self._wraps = bool(extent.periodic[: self.axes].any())
        self.extent = Extent(*(part[: self.axes].cpu() for part in (extent.lower, extent.upper, extent.periodic)))

    @property
    def notes(self) -> list[str]:
        """What is left out, in sentences."""
        fewer = f"{self.count:,} of {self.particles:,} particles are drawn.".replace(",", " ")
        axes = f"The first {self.axes} of {self.dimension} axes are drawn."
        return [
            note for note, said in ((fewer, self.count < self.particles), (axes, self.axes < self.dimension)) if said
        ]

    def positions(self, frame: int) -> Cloud:
        """``(N, d)``, inside the domain.

        Raises:
            ArgumentError: if one is not finite.
        """
        positions = self._solution.positions[frame].detach().cpu()[:, : self.axes]
        positions = positions if positions.dtype in (torch.float32, torch.float64) else positions.float()
        cloud = (self.extent.inside(positions) if self._wraps else positions).numpy()
        if not np.isfinite(cloud).all():
            raise ArgumentError(
                "solution", came=f"positions that are not finite in frame {frame}", wanted="finite ones"
            )
        return cloud[self._chosen]

    def speeds(self, frame: int) -> NDArray[np.float64] | None:
        """``|vᵢ|``, ``(N, 1)``; None for a motion without velocities."""
        velocities = self._solution.velocities
        if velocities is None:
            return None
        speeds = torch.linalg.vector_norm(velocities[frame].detach().cpu().double(), dim=1).numpy()
        return np.asarray(speeds[self._chosen, None])

    def span(self, frames: Iterable[int]) -> tuple[Cloud, Cloud]:
        """The least and the greatest position on each axis, ``(d,)``, in some frames."""
        if self.count == 0:
            return np.zeros(self.axes), np.zeros(self.axes)
        ends = [(cloud.min(axis=0), cloud.max(axis=0)) for cloud in map(self.positions, frames)]
        lowest, highest = zip(*ends, strict=True)
        return np.min(lowest, axis=0).astype(np.float64), np.max(highest, axis=0).astype(np.float64)
