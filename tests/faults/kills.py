"""Runs killed by SIGKILL at random moments, and resumed; some of them killed again while they go on."""

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
    killed_again: int = 0
    resumed: int = 0
    equal: int = 0
    phantom_frames: int = 0
    most_intervals_lost: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.killed} runs killed, {self.killed_again} of them twice: {self.resumed} resumed, {self.equal} equal "
            f"to the unbroken run bit for bit, {self.phantom_frames} phantom frames, at most "
            f"{self.most_intervals_lost:.2g} of an interval between checkpoints lost"
        )


@dataclass(frozen=True)
class Victim:
    """A run in processes of its own.

    Args:
        context: starts them.
        kind: what moves its particles.
        path: its folder.
        interval: steps from checkpoint to checkpoint.
    """

    context: ForkServerContext
    kind: str
    path: Path
    interval: int = 1

    def start(self, *, resume: bool = False) -> ForkServerProcess:
        """A process that runs it."""
        process = self.context.Process(target=victim.in_a_process, args=(self.kind, self.path, self.interval, resume))
        process.start()
        return process

    def wait(self, process: ForkServerProcess) -> None:
        """Until its folder is there."""
        end = time.monotonic() + PATIENCE
        while not self.path.exists() and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)

    def is_killed(self, after: float, *, resume: bool = False) -> bool:
        """Whether a process is killed some seconds after the folder is there, before it ends by itself."""
        process = self.start(resume=resume)
        self.wait(process)
        time.sleep(after)
        process.kill()
        process.join(PATIENCE)
        return process.exitcode != 0

    def seconds(self) -> float:
        """From the moment that the folder is there to the end of the run."""
        process = self.start()
        self.wait(process)
        start = time.monotonic()
        process.join(PATIENCE)
        return time.monotonic() - start


def campaign(count: int, folder: Path, seed: int = 0) -> Figures:
    """Kill so many runs, and resume each; one that ends before it is killed does not count."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([victim.__name__])
    wanted = {kind: victim.run(kind) for kind in victim.KINDS}
    seconds = {kind: Victim(context, kind, folder / f"whole-{kind}").seconds() for kind in victim.KINDS}
    figures, generator = Figures(), random.Random(seed)
    for attempt in range(10 * count):
        kind, interval = victim.KINDS[attempt % 2], victim.INTERVALS[attempt // 2 % 2]
        run = Victim(context, kind, folder / f"run{attempt}", interval)
        if not run.is_killed(generator.uniform(0.0, seconds[kind])):
            continue
        figures.killed += 1
        _look_at(run, wanted[kind], figures)
        if attempt % 4 == 0 and run.is_killed(generator.uniform(0.0, seconds[kind]), resume=True):
            figures.killed_again += 1
            _look_at(run, wanted[kind], figures)
        _resume(run, wanted[kind], figures)
        if figures.killed == count:
            break
    return figures


def _look_at(run: Victim, wanted: Solution, figures: Figures) -> None:
    """What a killed run has left: frames that are whole and right, and a checkpoint that is not far behind them."""
    try:
        left = open_run(run.path)
    except ArgumentError:  # killed before its first frame
        return
    for frame in range(len(left)):
        figures.phantom_frames += not same(left[frame], wanted[frame])
    lost = (int(left.steps[-1]) - latest(run.path).step) / run.interval
    figures.most_intervals_lost = max(figures.most_intervals_lost, lost)


def _resume(run: Victim, wanted: Solution, figures: Figures) -> None:
    process = run.start(resume=True)
    process.join(PATIENCE)
    figures.resumed += process.exitcode == 0
    found = open_run(run.path)
    figures.equal += same_frames(found, wanted) and same(found.final, wanted.final) and _same_noise(run.path)


def _same_noise(path: Path) -> bool:
    """Whether the generator is where that of an unbroken run is: their folders are beside each other."""
    wholes = [latest(whole).system["_extra_state"] for whole in path.parent.glob("whole-*")]
    ended = latest(path).system["_extra_state"]
    return any(
        torch.equal(ended["generator"], whole["generator"]) and ended["step"] == whole["step"] for whole in wholes
    )
