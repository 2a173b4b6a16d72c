"""What is observed in the course of a run, in memory or as a table on disk."""

from __future__ import annotations

import csv
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from interflow.errors import ArgumentError, StorageError
from interflow.reporters.triggers import Trigger, trigger
from interflow.state import State

Observables = Mapping[str, Callable[[State], Tensor]]


@final
class TimeSeries:
    """A callback that keeps what it observes: ``series["speed"]``, beside ``series.steps`` and ``series.times``.

    Args:
        observables: functions of the state, by name.
        every: a number of steps, or a trigger.

    Example:
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> from interflow.reporters import MeanSpeed
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.tensor([[0.0], [1.0]]), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> series = TimeSeries({"speed": MeanSpeed(repulsion)}, every=5)
        >>> _ = system.simulate(steps=10, callbacks=[series])
        >>> series.steps, series["speed"].shape
        ([5, 10], torch.Size([2]))
    """

    def __init__(self, observables: Observables, every: int | Trigger = 1) -> None:
        self._observables = dict(observables)
        self._due = trigger(every)
        self._values: dict[str, list[Tensor]] = {name: [] for name in observables}
        self.steps: list[int] = []
        self.times: list[float] = []

    def __call__(self, state: State) -> None:
        """Observe if it is time."""
        if self._due(state):
            self._forget(state.step)
            self.steps.append(state.step)
            self.times.append(state.time.item())
            for name, observe in self._observables.items():
                self._values[name].append(observe(state))

    def _forget(self, step: int) -> None:
        """Leave out what was observed from a step on, where a run goes on from before it."""
        kept = bisect_left(self.steps, step)
        del self.steps[kept:], self.times[kept:]
        for values in self._values.values():
            del values[kept:]

    def __getitem__(self, name: str) -> Tensor:
        """``(times, …)``: what was observed under a name."""
        values = self._values[name]
        return torch.stack(values) if values else torch.zeros(0)


@final
class CsvReport:
    """A callback that writes what it observes to a CSV file, a row at a time: step, time, and a column a number.

    Where a run goes on from an earlier step, the rows from there on are written anew.

    Args:
        file: its path.
        observables: functions of the state, by name; an array has a column for each of its numbers.
        every: a number of steps, or a trigger.
        resume: go on in the file if it is there; otherwise it must not exist.

    Raises:
        ArgumentError: if the file exists and is not to be gone on with, or two columns have one name.
        StorageError: if it cannot be written.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        observables: Observables,
        every: int | Trigger = 1,
        *,
        resume: bool = False,
    ) -> None:
        self._file = Path(file)
        self._observables = dict(observables)
        self._due = trigger(every)
        self._last: int | None = None
        if self._file.exists() and not resume:
            raise ArgumentError("file", came=f"{file}, a file that exists", wanted="a new one, or resume=True")

    def __call__(self, state: State) -> None:
        """Write a row if it is time."""
        if not self._due(state):
            return
        observed = {name: observe(state) for name, observe in self._observables.items()}
        row = [state.step, state.time.item(), *numbers(observed)]
        try:
            if self._last is None or state.step <= self._last:
                self._begin(heading(observed), state.step)
            with open(self._file, "a", newline="") as stream:
                csv.writer(stream).writerow(row)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"{self._file}: cannot write the row of step {state.step}: {reason}."
            raise StorageError(message) from error
        self._last = state.step

    def _begin(self, head: list[str], step: int) -> None:
        """Write the file with the rows of earlier steps alone; until that is done the old one stays."""
        rows = [head, *self._earlier(head, step)]
        unfinished = self._file.with_name(f".{self._file.name}.new")
        write_rows(unfinished, rows)
        unfinished.replace(self._file)

    def _earlier(self, head: list[str], step: int) -> list[list[str]]:
        """The whole rows of earlier steps in the file."""
        if not self._file.exists():
            return []
        with open(self._file, newline="") as stream:
            found, *rows = [*csv.reader(stream)] or [[]]
        if found != head:
            came, wanted = f"{self._file}, a table of {', '.join(found)}", f"one of {', '.join(head)}"
            raise ArgumentError("file", came=came, wanted=wanted, remedy="Name another file.")
        return [row for row in rows if len(row) == len(head) and row[0].isdigit() and int(row[0]) < step]


def heading(observed: Mapping[str, Tensor]) -> list[str]:
    """The names of all columns of a table of a run, ``step`` and ``time`` first.

    Raises:
        ArgumentError: if two are equal: an array ``mean`` has a column ``mean_0``, which another one may be called.
    """
    names = ["step", "time", *columns(observed)]
    for name, count in Counter(names).items():
        if count > 1:
            raise ArgumentError("observables", came=f"{count} columns {name!r}", wanted="a name for each column")
    return names


def columns(observed: Mapping[str, Tensor]) -> list[str]:
    """The names of the columns of some values: ``speed``, or ``distances_0``, ``distances_1``, …."""
    return [
        name if value.ndim == 0 else f"{name}_{index}"
        for name, value in observed.items()
        for index in range(value.numel())
    ]


def numbers(observed: Mapping[str, Tensor]) -> list[float]:
    """Some values as a row of numbers."""
    return [number for value in observed.values() for number in value.detach().flatten().tolist()]


def write_rows(file: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a table as a new file."""
    with open(file, "w", newline="") as stream:
        csv.writer(stream).writerows(rows)


@final
class GradientNorms:
    """``‖∂L/∂x_t‖`` after each step of a rollout: how fast gradients grow or fade with the horizon.

    It is given to a rollout as a callback, and holds the norms once the loss L has been differentiated; the gradient
    of each state counts what the loss takes from that state and from all later ones.

    Example:
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> spread = InteractionEnergy(GaussianKernel(sigma=1.0, learnable=True))
        >>> system = ParticleSystem(torch.tensor([[0.0], [1.0]]), energy=spread, integrator=Euler(step_size=0.1))
        >>> norms = GradientNorms()
        >>> system.rollout(3, callbacks=[norms]).positions[-1].square().sum().backward()
        >>> norms.steps, norms.values.shape
        ([1, 2, 3], torch.Size([3]))
    """

    def __init__(self) -> None:
        self._norms: dict[int, Tensor] = {}

    def __call__(self, state: State) -> None:
        """Watch the positions of a state."""
        if state.positions.requires_grad:
            state.positions.register_hook(partial(self._keep, state.step))

    @property
    def steps(self) -> list[int]:
        """The steps that gradients have reached, in order."""
        return sorted(self._norms)

    @property
    def values(self) -> Tensor:
        """The norms after those steps, float64, on the CPU."""
        return torch.tensor([float(self._norms[step]) for step in self.steps], dtype=torch.float64)

    def _keep(self, step: int, gradient: Tensor) -> None:
        self._norms[step] = gradient.detach().norm()
