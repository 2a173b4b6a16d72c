"""When a fit ends, and how it says so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from interflow.errors import ArgumentError
from interflow.validation import is_count


@final
@dataclass(frozen=True)
class Record:
    """How far a fit had come.

    Args:
        step: steps made.
        seconds: they took, measuring and reports not counted.
        loss: the discrepancy then, in the coordinates of the descent.
    """

    step: int
    seconds: float
    loss: float


@final
@dataclass(frozen=True)
class Progress:
    """A fit on its way: the steps made, the seconds they took, and the losses that were measured."""

    step: int
    seconds: float
    history: tuple[Record, ...]


class Stop(ABC):
    """A reason to end. A subclass writes `reason`."""

    @abstractmethod
    def reason(self, progress: Progress) -> str | None:
        """Why the fit ends now, in words; None to go on."""


@final
@dataclass(frozen=True)
class MostSteps(Stop):
    """After a number of steps."""

    steps: int

    def reason(self, progress: Progress) -> str | None:
        return f"{self.steps} steps were made" if progress.step >= self.steps else None


@final
@dataclass(frozen=True)
class MostSeconds(Stop):
    """After the step with which a time is over."""

    seconds: float

    def reason(self, progress: Progress) -> str | None:
        return f"{self.seconds:g} seconds were over" if progress.seconds >= self.seconds else None


@final
@dataclass(frozen=True)
class TargetLoss(Stop):
    """When the loss is as small as it need be."""

    loss: float

    def reason(self, progress: Progress) -> str | None:
        reached = bool(progress.history) and progress.history[-1].loss <= self.loss
        return f"the loss came to {self.loss:g}" if reached else None


@final
@dataclass(frozen=True)
class SmallDecrease(Stop):
    """When the best of the last three losses is hardly less than the best before them.

    Args:
        fraction: the least relative decrease that is worth going on for.

    Example:
        >>> records = tuple(Record(step, 0.0, loss) for step, loss in enumerate([1.0, 0.5, 0.49, 0.495, 0.492]))
        >>> SmallDecrease(0.1).reason(Progress(4, 0.0, records))
        'the loss fell by less than 0.1 of itself'
    """

    fraction: float

    def reason(self, progress: Progress) -> str | None:
        losses = [record.loss for record in progress.history]
        if len(losses) <= 3:
            return None
        before, recent = min(losses[:-3]), min(losses[-3:])
        small = before - recent < self.fraction * abs(before)
        return f"the loss fell by less than {self.fraction:g} of itself" if small else None


def stops(steps: int, seconds: float | None, decrease: float | None, loss: float | None) -> list[Stop]:
    """The reasons that are given.

    Raises:
        ArgumentError: if one cannot be met.
    """
    if not is_count(steps, at_least=0):
        raise ArgumentError("steps", came=repr(steps), wanted="an integer ≥ 0")
    for name, value in (("seconds", seconds), ("decrease", decrease)):
        if value is not None and not value > 0:
            raise ArgumentError(name, came=value, wanted="a positive number")
    chosen: list[Stop] = [MostSteps(steps)]
    chosen += [MostSeconds(seconds)] if seconds is not None else []
    chosen += [SmallDecrease(decrease)] if decrease is not None else []
    chosen += [TargetLoss(loss)] if loss is not None else []
    return chosen
