"""How long does the tour take? 10 000 points on the unit torus, 200 Euler steps, from a command and in a session.

The command runs twice with compile caches of its own: first empty, then as the first run left them. The loops of plain
PyTorch and KeOps are timed on a few steps after one and scaled up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

import interflow as fl
from benchmarks.field import SIGMA
from benchmarks.peers import lazy_gaussian_field, plain_gaussian_field
from benchmarks.tables import NOTHING, Table, count, error, number, ratio

SIZES = (10_000,)
STEPS = 200
STEP_SIZE = 1 / 200
TIMED_STEPS = 3
TIMED = f"(timed on {TIMED_STEPS} steps)"
TOUR = Path(__file__).parent.parent / "examples" / "tour.yaml"


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each way."""
    headers = ("N", "how", "seconds", "times as fast", "error")
    note = (
        "`error` is the root mean square distance of the last positions from those of a run in float64, in periods; "
        "`times as fast` compares with plain PyTorch."
    )
    return Table(f"The tour: {STEPS} steps", note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        x = torch.rand(size, 2, generator=torch.Generator().manual_seed(size)).to(device)
        plain = _loop(plain_gaussian_field, x)
        for way, seconds, off in chain([(f"plain PyTorch {TIMED}", plain, None)], _ways(x)):
            yield [count(size), way, number(seconds), ratio(plain, seconds), NOTHING if off is None else error(off)]


def _ways(x: Tensor) -> Iterator[tuple[str, float, float | None]]:
    yield f"KeOps, lazy tensors and autograd {TIMED}", _loop(lazy_gaussian_field, x), None
    for state, seconds in _commands(len(x), x.device):
        yield f"`interflow run`, {state}", seconds, None
    yield from _simulations(x)


def _loop(field: Callable[[Tensor, Tensor, float], Tensor], x: Tensor) -> float:
    """Seconds for all steps, from a few."""

    def advance(x: Tensor) -> Tensor:
        return torch.remainder(x + 2 * STEP_SIZE * field(x, x, SIGMA), 1.0)

    x = advance(x)
    start = time.perf_counter()
    for _ in range(TIMED_STEPS):
        x = advance(x)
    float(x.sum())  # waits for the device
    return (time.perf_counter() - start) * STEPS / TIMED_STEPS


def _commands(size: int, device: torch.device) -> list[tuple[str, float]]:
    if device.type != "cpu":  # the command chooses its own device
        return []
    with tempfile.TemporaryDirectory() as folder:
        caches = {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor", "KEOPS_CACHE_FOLDER": f"{folder}/keops"}
        Path(caches["KEOPS_CACHE_FOLDER"]).mkdir()
        return [(state, _command(size, folder, state, caches)) for state in ("empty caches", "full caches")]


def _command(size: int, folder: str, state: str, caches: dict[str, str]) -> float:
    command = str(Path(sys.executable).with_name("interflow"))
    out = f"{folder}/{state.replace(' ', '-')}"
    arguments = [command, "run", str(TOUR), "--out", out, "--set", f"particles.count={size}"]
    start = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=sys.stderr, env={**os.environ, **caches})
    return time.perf_counter() - start


def _simulations(x: Tensor) -> list[tuple[str, float, float | None]]:
    """In a session: from a new system, and from a second one, whose formulas are compiled."""
    exact = _simulate(x.double(), "dense")[1]
    found: list[tuple[str, float, float | None]] = []
    for way in ("simulate, first", "simulate, again"):
        seconds, last = _simulate(x, "auto")
        delta = last.double() - exact
        found.append((f"interflow, {way}", seconds, float((delta - delta.round()).norm() / len(x) ** 0.5)))
    return found


def _simulate(x: Tensor, backend: str) -> tuple[float, Tensor]:
    torus, kernel = fl.PeriodicBoundary(1.0), fl.GaussianKernel(sigma=SIGMA)
    attraction = -2.0 * fl.InteractionEnergy(kernel, boundary=torus, backend=backend)
    system = fl.ParticleSystem(x, energy=attraction, integrator=fl.Euler(step_size=STEP_SIZE))
    start = time.perf_counter()
    solution = system.simulate(steps=STEPS, save_every=10, progress=False)
    last = solution.positions[-1].cpu()
    return time.perf_counter() - start, last.to(x.device)
