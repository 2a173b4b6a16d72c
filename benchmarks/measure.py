"""How a call is measured: seconds, compile seconds and peak memory.

Every entry is called once to warm up, then the entries take turns, so that a slow minute of the machine meets them
all. A sample is as many calls as fill 20 ms; the time is the median of six samples, or of two where a call takes more
than 5 s. Compile seconds are the first call less that median. Peak memory is read around the first sample: the
highest resident memory above what was resident before it, once freed memory has gone back to the system; on a GPU,
the highest allocated memory above what was allocated before.
"""

from __future__ import annotations

import ctypes
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch

from interflow.errors import InterflowError

ResultT = TypeVar("ResultT")

SAMPLES = 6
SAMPLES_OF_SLOW_CALLS = 2
SLOW = 5.0
SHORTEST_SAMPLE = 0.02


@dataclass(frozen=True)
class Entry(Generic[ResultT]):
    """One way to compute something.

    Args:
        name: how the table calls it.
        call: computes it, from data that are ready.
        share: the part of the work that the call does; its time is divided by it.
    """

    name: str
    call: Callable[[], ResultT]
    share: float = 1.0


@dataclass
class Measurement(Generic[ResultT]):
    """What was read for an entry; `failure` says why it could not run, and then the rest is empty."""

    entry: Entry[ResultT]
    first: float = math.nan
    result: ResultT | None = None
    failure: str | None = None
    peak: int | None = None
    calls_in_a_sample: int = 1
    samples: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median, for the whole of the work; NaN if it could not run."""
        return statistics.median(self.samples) / self.entry.share if self.samples else math.nan

    @property
    def compile_seconds(self) -> float:
        """The first call less the median call, never below 0."""
        return max(0.0, self.first - statistics.median(self.samples)) if self.samples else math.nan

    def wants(self, turn: int) -> bool:
        """Whether a sample is to be taken in a turn: a slow call has fewer."""
        return self.failure is None and (turn < SAMPLES_OF_SLOW_CALLS or self.samples[0] <= SLOW)


def compare(
    entries: Iterable[Entry[ResultT]], device: torch.device, samples: int = SAMPLES
) -> list[Measurement[ResultT]]:
    """Measure the entries in turns, each so many times."""
    measurements = [_warm_up(entry, device) for entry in entries]
    for measurement in measurements:
        if measurement.failure is None:
            _first_sample(measurement, device)
    for turn in range(1, samples):
        for measurement in measurements:
            if measurement.wants(turn):
                measurement.samples.append(_sample(measurement, device))
    return measurements


def _warm_up(entry: Entry[ResultT], device: torch.device) -> Measurement[ResultT]:
    print(f"  {entry.name}", file=sys.stderr, flush=True)
    measurement = Measurement(entry)
    try:
        measurement.first, measurement.result = _timed(entry.call, device)
    except (InterflowError, ImportError, RuntimeError) as error:
        measurement.failure = str(error).partition("\n")[0]
    return measurement


def _first_sample(measurement: Measurement[ResultT], device: torch.device) -> None:
    seconds = math.nan

    def call() -> None:
        nonlocal seconds
        seconds, _ = _timed(measurement.entry.call, device)

    measurement.peak = peak_memory(call, device)
    measurement.samples.append(seconds)
    measurement.calls_in_a_sample = max(1, math.ceil(SHORTEST_SAMPLE / seconds))


def _sample(measurement: Measurement[ResultT], device: torch.device) -> float:
    calls = measurement.calls_in_a_sample

    def several() -> None:
        for _ in range(calls):
            measurement.entry.call()

    return _timed(several, device)[0] / calls


def _timed(call: Callable[[], ResultT], device: torch.device) -> tuple[float, ResultT]:
    _synchronise(device)
    start = time.perf_counter()
    result = call()
    _synchronise(device)
    return time.perf_counter() - start, result


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(call: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that a call needs at most above what is in use before it; None where the system does not tell."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        call()
        return None
    ctypes.CDLL(None).malloc_trim(0)
    reset.write_text("5")  # sets the peak to what is resident now
    before = _resident("VmRSS")
    call()
    return max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def relative_error(result: torch.Tensor, reference: torch.Tensor) -> float:
    """``‖result − reference‖₂ / ‖reference‖₂`` in float64, over the rows that both have."""
    rows = min(len(result), len(reference))
    wanted = reference[:rows].double()
    return float((result[:rows].detach().double() - wanted).norm() / wanted.norm())
