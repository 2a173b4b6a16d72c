"""Runs killed by SIGKILL at random moments, and resumed."""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import torch

from interflow import ArgumentError, Solution, open_run
from interflow.storage.checkpoint import latest
from tests.faults import victim
from tests.flows import same
from tests.storage.runs import same_frames

PATIENCE = 120.0
"""Seconds that a process may take to begin, or to end."""


@dataclass
class Figures:
    """What came of the kills."""

    killed: int = 0
    resumed: int = 0
    equal: int = 0
    phantom_frames: int = 0
    most_steps_lost: int = 0

    def __str__(self) -> str:
        return (
            f"{self.killed} runs killed: {self.resumed} resumed, {self.equal} equal to the unbroken run bit for bit, "
            f"{self.phantom_frames} phantom frames, at most {self.most_steps_lost} step lost"
        )


def campaign(count: int, folder: Path, seed: int = 0) -> Figures:
    """Kill so many runs, and resume each; one that ends before it is killed does not count."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([victim.__name__])
    wanted = {kind: victim.run(kind, None, False) for kind in victim.KINDS}
    seconds = {kind: _duration(context, kind, folder / f"whole-{kind}") for kind in victim.KINDS}
    figures, generator = Figures(), random.Random(seed)
    for attempt in range(10 * count):
        kind, path = victim.KINDS[attempt % 2], folder / f"run{attempt}"
        process = _start(context, kind, path, resume=False)
        _wait_for(path, process)
        time.sleep(generator.uniform(0.0, seconds[kind]))
        process.kill()
        process.join(PATIENCE)
        if process.exitcode != 0:
            _look_at(path, wanted[kind], figures)
            _resume(context, kind, path, wanted[kind], figures)
        if figures.killed == count:
            break
    return figures


def _start(context: ForkServerContext, kind: str, path: Path, *, resume: bool) -> ForkServerProcess:
    process = context.Process(target=victim.in_a_process, args=(kind, path, resume))
    process.start()
    return process


def _wait_for(path: Path, process: ForkServerProcess) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists() and process.is_alive() and time.monotonic() < end:
        time.sleep(0.001)


def _duration(context: ForkServerContext, kind: str, path: Path) -> float:
    """Seconds from the moment that the folder is there to the end of the run."""
    process = _start(context, kind, path, resume=False)
    _wait_for(path, process)
    start = time.monotonic()
    process.join(PATIENCE)
    return time.monotonic() - start


def _look_at(path: Path, wanted: Solution, figures: Figures) -> None:
    """What a killed run has left: frames that are whole and right, and a checkpoint that is not far behind them."""
    figures.killed += 1
    try:
        left = open_run(path)
    except ArgumentError:  # killed before its first frame
        return
    for frame in range(len(left)):
        figures.phantom_frames += not same(left[frame], wanted[frame])
    figures.most_steps_lost = max(figures.most_steps_lost, int(left.steps[-1]) - latest(path).step)


def _resume(context: ForkServerContext, kind: str, path: Path, wanted: Solution, figures: Figures) -> None:
    process = _start(context, kind, path, resume=True)
    process.join(PATIENCE)
    figures.resumed += process.exitcode == 0
    found = open_run(path)
    figures.equal += same_frames(found, wanted) and same(found.final, wanted.final) and _same_noise(path)


def _same_noise(path: Path) -> bool:
    """Whether the generator is where that of an unbroken run is: their folders are beside each other."""
    wholes = [latest(whole).system["_extra_state"] for whole in path.parent.glob("whole-*")]
    ended = latest(path).system["_extra_state"]
    return any(
        torch.equal(ended["generator"], whole["generator"]) and ended["step"] == whole["step"] for whole in wholes
    )
