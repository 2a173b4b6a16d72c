"""How long until the command line answers, and what does it import?"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.tables import Table, number

SIZES = ()
RUNS = 5
MODULES = "import sys; from interflow.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row: it has neither sizes nor a device."""
    command = [str(Path(sys.executable).with_name("interflow")), "--help"]
    times = [_seconds(command) for _ in range(RUNS + 1)][1:]
    probe = subprocess.run([sys.executable, "-c", MODULES], check=True, capture_output=True, text=True)
    modules = probe.stdout.splitlines()[-1].split()
    row = ["`interflow --help`", number(statistics.median(times)), str(len(modules)), str("torch" in modules).lower()]
    headers = ("command", "seconds", "modules imported", "torch imported")
    return Table("Start of the command line", f"The median of {RUNS} runs after one.", headers, [row])


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
