"""What it costs that a run survives: the seed's tour in memory, unwatched, beside the same tour in a folder.

The tour in a folder stores its frames, checks every state and writes a checkpoint every 30 seconds and at the end. The
parts are timed by themselves as well, and set beside the time of the whole tour.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.tables import Table, count, number
from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem, PeriodicBoundary, RunFolder, State
from interflow.solution import FramePlan
from interflow.storage.run_folder import make_checkpoint

SIZES = (10_000,)
STEPS, SAVE_EVERY = 200, 10
CHECKPOINT_SECONDS = 30.0
TURNS = 3
REPETITIONS = 10
NOTE = (
    f"The tour makes {STEPS} steps and {1 + STEPS // SAVE_EVERY} frames; each way is run {TURNS} times in turns, and "
    "the fastest counts. The share of a part is the time of that part alone, as often as the tour has it, in the time "
    "of the tour without any."
)


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """Seconds of the tour, without and with, and of each part."""
    rows = (row for size in sizes for row in _rows(size, device))
    return Table("What it costs that a run survives", NOTE, ("N", "what", "seconds", "share"), rows)


def _rows(size: int, device: torch.device) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _tour(size, device).simulate(2, progress=False)  # compiles
        plain, stored = [], []
        for turn in range(TURNS):
            plain.append(_seconds(partial(_simulate, size, device, None)))
            stored.append(_seconds(partial(_simulate, size, device, RunFolder(folder / f"run{turn}"))))
        whole = min(plain)
        parts = _parts(size, device, folder, whole)
    lines = [("the tour in memory", whole, 0.0), ("the tour in a folder", min(stored), min(stored) - whole)]
    lines += [(name, seconds, seconds) for name, seconds in parts]
    return [[count(size), name, number(seconds), f"{extra / whole:+.1%}"] for name, seconds, extra in lines]


def _parts(size: int, device: torch.device, folder: Path, whole: float) -> list[tuple[str, float]]:
    """What is done beside the steps, each as often as in a tour."""
    system = _tour(size, device)
    scalars = {"energy": system.energy(system.positions, system.weights).detach()}
    frames = 1 + STEPS // SAVE_EVERY
    checkpoints = 2 + int(whole / CHECKPOINT_SECONDS)
    with RunFolder(folder / "parts").recording(system, FramePlan(STEPS, SAVE_EVERY), resume=False) as writer:
        frame = _mean(lambda: writer.write_frame(system.state, scalars), frames)
    checkpoint = _mean(lambda: make_checkpoint(system, 0, "").write(folder / "parts"), REPETITIONS)
    check = _mean(system.state.is_finite, REPETITIONS)
    return [
        (f"{frames} frames", frames * frame),
        (f"{STEPS} finite checks", STEPS * check),
        (f"{checkpoints} checkpoints", checkpoints * checkpoint),
    ]


def _tour(size: int, device: torch.device) -> ParticleSystem:
    positions = torch.rand(size, 2, generator=torch.Generator().manual_seed(0)).to(device)
    attraction = -2.0 * InteractionEnergy(GaussianKernel(sigma=0.1), boundary=PeriodicBoundary(1.0))
    return ParticleSystem(positions, energy=attraction, integrator=Euler(step_size=1 / 200))


def _simulate(size: int, device: torch.device, out: RunFolder | None) -> State:
    system = _tour(size, device)
    system.simulate(STEPS, save_every=SAVE_EVERY, progress=False, out=out)
    return system.state


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _mean(call: Callable[[], object], repetitions: int) -> float:
    return _seconds(lambda: [call() for _ in range(repetitions)]) / repetitions
