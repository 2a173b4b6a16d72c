"""The drawn part of a run on a page: axes and particles, box, and facts as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interflow.boundaries import Extent
from interflow.errors import ArgumentError
from interflow.solution import ENERGY, Solution
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
        """What is not drawn, as sentences."""
        fewer = f"{self.count:,} of {self.particles:,} particles are drawn.".replace(",", " ")
        axes = f"The first {self.axes} of {self.dimension} axes are drawn."
        return [
            note for note, said in ((fewer, self.count < self.particles), (axes, self.axes < self.dimension)) if said
        ]

    def positions(self, frame: int) -> Cloud:
        """Return positions ``(N, d)``, wrapped into the domain.

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
        """Return speeds ``|vᵢ|``, ``(N, 1)``; None without velocities."""
        velocities = self._solution.velocities
        if velocities is None:
            return None
        speeds = torch.linalg.vector_norm(velocities[frame].detach().cpu().double(), dim=1).numpy()
        return np.asarray(speeds[self._chosen, None])

    def span(self, frames: Iterable[int]) -> tuple[Cloud, Cloud]:
        """Return the least and the greatest position on each axis, ``(d,)``, in some frames."""
        if self.count == 0:
            return np.zeros(self.axes), np.zeros(self.axes)
        ends = [(cloud.min(axis=0), cloud.max(axis=0)) for cloud in map(self.positions, frames)]
        lowest, highest = zip(*ends, strict=True)
        return np.min(lowest, axis=0).astype(np.float64), np.max(highest, axis=0).astype(np.float64)


Box = tuple[Cloud, Cloud]
"""Lower and upper corner, each ``(d,)``."""
MARGIN = 0.02


def box_around(extent: Extent, lowest: Cloud, highest: Cloud, *, room: float = MARGIN) -> Box:
    """Return a box around two corners of points.

    An axis has the ends of the domain, if those are finite and nothing lies beyond them; else there is room beside the
    points, in parts of their extent. No axis is without length.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> box_around(PeriodicBoundary(1.0).extent(2), np.array([0.2, 0.3]), np.array([0.7, 0.6]))
        (array([0., 0.]), array([1., 1.]))
    """
    axes = len(lowest)
    ends = (corner[:axes].double().numpy() for corner in (extent.lower, extent.upper))
    (begin, end), length = ends, highest - lowest
    longest = float(length.max(initial=0.0)) or 1.0
    beside = np.where(length > 0.0, room * length, 0.05 * longest)
    lower = np.where(np.isfinite(begin) & (begin <= lowest), begin, lowest - beside)
    upper = np.where(np.isfinite(end) & (end >= highest), end, highest + beside)
    return lower, upper


def describe_box(extent: Extent, lower: Cloud, upper: Cloud) -> str:
    """Return the box as text, such as ``[0, 1) × [−2, 3]``, and which of its ends are those of the domain."""
    periodic = extent.periodic.tolist()[: len(lower)]
    spans = [
        f"[{begin:.4g}, {end:.4g}{')' if closed else ']'}"
        for begin, end, closed in zip(lower.tolist(), upper.tolist(), periodic, strict=True)
    ]
    if len(set(spans)) == 1 and len(spans) > 1:
        spans = [spans[0] + " ²³"[len(spans) - 1]]
    ended = np.isfinite(extent.lower.numpy()) & np.isfinite(extent.upper.numpy())
    kind = "periodic" if all(periodic) else "periodic on some axes" if any(periodic) else ""
    kind = kind or ("the domain" if ended.all() else "around the points; the domain is open")
    return f"{' × '.join(spans)}, {kind}".replace("-", "−")


def headline(drawing: Drawing) -> str:
    """Return the numbers of particles and dimensions as text."""
    dimensions = f"{drawing.dimension} dimension{'s' if drawing.dimension > 1 else ''}"
    return f"{counted(drawing.particles)} particle{'' if drawing.particles == 1 else 's'} in {dimensions}"


def facts(solution: Solution, summary: Mapping[str, Any], drawing: Drawing, box: Box) -> list[tuple[str, str]]:
    """Pairs of a name and what is said under it.

    Args:
        solution: the run.
        summary: how it went, as ``interflow run`` writes it; what it lacks is left out.
        drawing: what is drawn of it.
        box: its corners.
    """
    return list(_facts(solution, {**solution.stats, **summary}, drawing, box))


def counted(value: int) -> str:
    """Return a whole number with separated thousands."""
    return f"{value:,}".replace(",", " ")


def _facts(solution: Solution, told: Mapping[str, Any], drawing: Drawing, box: Box) -> Iterator[tuple[str, str]]:
    times, steps = solution.times.tolist(), solution.steps.tolist()
    dtype, device = str(solution.positions.dtype).removeprefix("torch."), told.get("device")
    yield "particles", f"{headline(drawing)}, {dtype}{f' on {device}' if device else ''}"
    speed = (
        f" in {told['seconds']:.3g} s, {told['steps_per_second']:.3g} a second" if "steps_per_second" in told else ""
    )
    yield "steps", f"{counted(steps[0])} to {counted(steps[-1])}{speed}"
    yield "time", f"{times[0]:.6g} to {times[-1]:.6g}, {counted(len(times))} frame{'' if len(times) == 1 else 's'}"
    yield "box", describe_box(drawing.extent, *box)
    yield "energy", _change(solution.energies)
    for name, values in solution.scalars.items():
        if name != ENERGY and values.ndim == 1:
            yield name, _change(values)
    for number, sums in enumerate(told.get("sums", ())):
        yield "" if number else "sums", f"{sums.get('count', 'all')} on the backend {sums['backend']}"
    if versions := told.get("versions"):
        yield "versions", ", ".join(f"{package} {version}" for package, version in versions.items())


def _change(values: Tensor) -> str:
    return f"{float(values[0]):.6g} → {float(values[-1]):.6g}".replace("-", "−")
