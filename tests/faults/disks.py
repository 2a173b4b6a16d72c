"""Runs on a small file system that fills up, or that becomes read-only, while they go on."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from interflow import open_run
from interflow.cli import main
from interflow.storage.checkpoint import latest
from tests.storage.runs import same_frames

SIZE = 2 << 20
CONFIG = """
seed: 3
particles: {count: 1500, dimension: 2}
boundary: {kind: periodic, lengths: 1.0}
backend: {kind: dense}
energy: {kind: interaction, scale: -2.0, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler_maruyama, step_size: 0.005, temperature: 0.01}
run: {steps: 10, save_every: 1, checkpoint_every: 0}
"""


@dataclass
class Figures:
    """What came of the full disks."""

    filled: int = 0
    begun: int = 0
    told: int = 0
    loaded: int = 0
    resumed: int = 0
    equal: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.filled} disks filled up: {self.told} runs ended with exit code 1 and one line; of {self.begun} "
            f"that had begun, {self.loaded} earlier checkpoints loaded, {self.resumed} went on, {self.equal} equal to "
            "the unbroken run bit for bit"
        )


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two megabytes; the test is skipped where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no small file system can be mounted here: there is no command `mount`")
    if made.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def interflow(*arguments: object) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def campaign(count: int, folder: Path, seed: int = 0) -> Figures:
    """Fill disks so that runs end at moments of all kinds: before the first frame, in a frame, in a checkpoint, …"""
    figures, generator = Figures(), random.Random(seed)
    config, whole = folder / "noise.yaml", folder / "whole"
    config.write_text(CONFIG)
    assert interflow("run", config, "--out", whole, "--quiet").exit_code == 0
    needed = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())
    assert needed < 0.8 * SIZE, "an empty disk has no room for the run"
    for number in range(count):
        with small_disk(folder / f"disk{number}") as disk:
            filler = disk / "filler"
            filler.write_bytes(bytes(SIZE - generator.randrange(needed)))
            _run(disk / "run", config, whole, filler, figures)
    return figures


def _run(run: Path, config: Path, whole: Path, filler: Path, figures: Figures) -> None:
    done = interflow("run", config, "--out", run)
    if done.exit_code == 0:  # there was room for it after all
        return
    figures.filled += 1
    errors = [line for line in done.stderr.splitlines() if "no space left on device" in line]
    clear = done.exit_code == 1 and len(errors) == 1 and "Traceback" not in done.output
    figures.told += clear
    figures.wrong.extend([] if clear else [f"exit code {done.exit_code}: {done.stderr}"])
    begun = run.exists()
    if begun:
        figures.begun += 1
        figures.loaded += latest(run).step >= 0
    filler.unlink()
    again = interflow("run", "--resume", run) if begun else interflow("run", config, "--out", run)
    figures.resumed += begun and again.exit_code == 0
    figures.wrong.extend([] if again.exit_code == 0 else [f"resumed with {again.exit_code}: {again.stderr}"])
    figures.equal += begun and same_frames(open_run(run), open_run(whole))
