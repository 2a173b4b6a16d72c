"""Hyperparameters that change in the course of a run: step sizes, temperatures, bandwidths.

A schedule is a function of the number of steps made, so that a run that goes on follows it as an unbroken one does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import final

import torch
from torch import nn

from interflow.energies import ScaledEnergy
from interflow.errors import ArgumentError
from interflow.kernels import ScaledKernel
from interflow.parameters import Parametrised, finite, positive
from interflow.validation import check_instance, is_count


class Schedule(ABC):
    """A number for every step. A subclass writes `at`, on the way from 0 to 1.

    Args:
        start: the value at step 0.
        end: the value after ``steps`` steps, and from there on.
        steps: how long the way is.

    Example:
        >>> class CosineSchedule(Schedule):
        ...     def at(self, fraction):
        ...         return self.end + (self.start - self.end) * 0.5 * (1.0 + math.cos(math.pi * fraction))
        >>> schedule = CosineSchedule(start=1.0, end=0.0, steps=4)
        >>> [round(schedule(step), 3) for step in range(6)]
        [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        if not is_count(steps, at_least=1):
            raise ArgumentError("steps", came=repr(steps), wanted="an integer ≥ 1")
        self.start = finite("start", start).item()
        self.end = finite("end", end).item()
        self.steps = steps

    @final
    def __call__(self, step: int) -> float:
        """The value after a number of steps."""
        if step >= self.steps:
            return self.end
        return self.at(step / self.steps) if step > 0 else self.start

    @abstractmethod
    def at(self, fraction: float) -> float:
        """The value on the way, at a fraction of it in (0, 1)."""


@final
class LinearSchedule(Schedule):
    """``start + t (end − start)``.

    Args:
        start: the value at step 0.
        end: the value after ``steps`` steps, and from there on.
        steps: how long the way is.

    Example:
        >>> schedule = LinearSchedule(start=1.0, end=0.0, steps=4)
        >>> [schedule(step) for step in (0, 1, 2, 9)]
        [1.0, 0.75, 0.5, 0.0]
    """

    def at(self, fraction: float) -> float:
        return self.start + fraction * (self.end - self.start)


@final
class ExponentialSchedule(Schedule):
    """``start (end/start)ᵗ``: the same factor at each step, as in annealing (Kirkpatrick, Gelatt & Vecchi, 1983).

    Args:
        start: the value at step 0.
        end: the value after ``steps`` steps, and from there on.
        steps: how long the way is.

    Example:
        >>> ExponentialSchedule(start=1.0, end=0.01, steps=10)(5)
        0.1
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__(start, end, steps)
        positive("start", start)
        positive("end", end)

    def at(self, fraction: float) -> float:
        return self.start * math.pow(self.end / self.start, fraction)


@final
class CosineSchedule(Schedule):
    """``end + (start − end)(1 + cos πt)/2``: slow at both ends (Loshchilov & Hutter, 2017).

    Args:
        start: the value at step 0.
        end: the value after ``steps`` steps, and from there on.
        steps: how long the way is.

    Example:
        >>> CosineSchedule(start=2.0, end=0.0, steps=10)(5)
        1.0
    """

    def at(self, fraction: float) -> float:
        return self.end + 0.5 * (self.start - self.end) * (1.0 + math.cos(math.pi * fraction))


@final
class Schedules:
    """The schedules of the hyperparameters of a module, each by its dotted name, as configs have it.

    Names look through multiples: of ``-2.0 * InteractionEnergy(kernel)`` the bandwidth is ``energy.kernel.sigma``.

    Args:
        root: the module that names start from.
        schedules: by name, such as ``integrator.step_size``.

    Raises:
        ArgumentError: for a name that leads to no number that is fixed, or a schedule whose values it cannot have.
    """

    def __init__(self, root: nn.Module, schedules: Mapping[str, Schedule]) -> None:
        self.by_name = dict(schedules)
        known = dict(_hyperparameters(root, ""))
        for name, schedule in schedules.items():
            check_instance("schedules", schedule, Schedule)
            if name not in known:
                wanted = f"one of the numbers {', '.join(sorted(known))}"
                raise ArgumentError("schedules", came=name, wanted=wanted, remedy="Learnable ones are left to learn.")
            _check_values(name, schedule, *known[name])
        self._places = {name: known[name] for name in schedules}

    def apply(self, step: int) -> None:
        """Give every hyperparameter its value after a number of steps, as a tensor of its own, so that graphs stay."""
        for name, (holder, own) in self._places.items():
            present = holder._buffers[own]
            value = torch.tensor(self.by_name[name](step), dtype=torch.float64)
            holder._buffers[own] = value if present is None else value.to(present)


def _check_values(name: str, schedule: Schedule, holder: nn.Module, own: str) -> None:
    """Raise `ArgumentError` where a schedule has values that its hyperparameter cannot have."""
    if not isinstance(holder, Parametrised):
        return
    present = getattr(holder, own).item()
    try:
        for value in (schedule.end, schedule.start, present):  # all others lie between
            setattr(holder, own, value)
    except ArgumentError as error:
        came = f"{error.came} for {name} on the way from {schedule.start:g} to {schedule.end:g}"
        raise ArgumentError("schedules", came=came, wanted=error.wanted) from None


_Place = tuple[nn.Module, str]


def _hyperparameters(module: nn.Module, prefix: str) -> Iterator[tuple[str, _Place]]:
    """Every fixed number of a module tree with its name."""
    for name, tensor in module._buffers.items():
        if tensor is not None and tensor.ndim == 0 and tensor.dtype == torch.float64 and name != "time":
            yield prefix + name, (module, name)
    for name, child in module._modules.items():
        if child is None or name.startswith("_"):  # a domain is fixed
            continue
        transparent = _TRANSPARENT.get(type(module)) == name
        yield from _hyperparameters(child, prefix if transparent else f"{prefix}{_ALSO_CALLED.get(name, name)}.")


_TRANSPARENT: Mapping[type, str] = {ScaledEnergy: "energy", ScaledKernel: "kernel"}
_ALSO_CALLED: Mapping[str, str] = {"energies": "terms"}
