"""Checkpoints and chunks of trajectories with a bit flipped, or cut off."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from interflow import StorageError, open_run
from interflow.storage.checkpoint import LAST, PREVIOUS, Checkpoint, latest


@dataclass
class Figures:
    """What came of the damage."""

    what: str
    flips: int = 0
    cuts: int = 0
    detected: int = 0
    recovered: int | None = None

    def __str__(self) -> str:
        earlier = "" if self.recovered is None else f", {self.recovered} times the checkpoint before was used"
        return f"{self.flips} bit flips and {self.cuts} truncations of {self.what}: {self.detected} detected{earlier}"


def checkpoints(folder: Path, flips: int, cuts: int, seed: int = 0) -> Figures:
    """Damage the last checkpoint of a run again and again."""
    figures, earlier = Figures("checkpoints", recovered=0), Checkpoint.read(folder / PREVIOUS).step

    def read() -> None:
        assert figures.recovered is not None
        figures.recovered += latest(folder).step == earlier
        Checkpoint.read(folder / LAST)

    _damage([folder / LAST], read, figures, (flips, cuts), seed)
    return figures


def chunks(folder: Path, flips: int, cuts: int, seed: int = 0) -> Figures:
    """Damage one chunk of a trajectory after the other, and read all of it."""
    figures = Figures("chunks of trajectories")
    files = sorted(path for path in (folder / "frames.zarr").rglob("c/**/*") if path.is_file())

    def read() -> None:
        run = open_run(folder)
        _ = run.positions[:], run.times, run.steps, run.weights, run.scalars

    _damage(files, read, figures, (flips, cuts), seed)
    return figures


def _damage(
    files: list[Path], read: Callable[[], object], figures: Figures, counts: tuple[int, int], seed: int
) -> None:
    generator = random.Random(seed)
    flips, cuts = counts
    for number in range(flips + cuts):
        file = generator.choice(files)
        content = file.read_bytes()
        file.write_bytes(
            _flipped(content, generator) if number < flips else content[: generator.randrange(len(content))]
        )
        try:
            read()
        except StorageError:
            figures.detected += 1
        file.write_bytes(content)
    figures.flips, figures.cuts = flips, cuts


def _flipped(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)
