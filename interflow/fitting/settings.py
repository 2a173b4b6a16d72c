"""The settings of a fit, and the rules by which it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

from interflow.errors import ArgumentError
from interflow.fitting.resolution_levels import MOST
from interflow.validation import check_choice, is_count


@final
@dataclass(frozen=True)
class FitSettings:
    """All that a fit depends on beside the clouds, the discrepancy and the integrator.

    Lengths are in units of the target's root mean square radius.

    Args:
        steps: the most steps that are made, dealt out evenly on a ladder.
        seconds: the time after which it ends; none for no limit.
        decrease: it ends when the loss falls by less than this part of itself over three checks; none to go on.
        loss: it ends at this loss; none to go on.
        start: where points start of which only the number is given: at ``"samples"`` of the target, or in its
            ``"box"``.
        ladder: factors of the kernel's bandwidth, one after the other, such as ``(8, 4, 2, 1)``; none for it alone.
        noise: level at the start of the noise that is injected, falling to 0 at the end.
        batch: points of the target that each step sees, drawn anew; none for all of them.
        weight_rate: η of learned weights; 0 keeps the weights.
        refinements: how many times the number of points is multiplied by four on the way, after coarser fits; None for
            as many as pairs ask for where no discrepancy is given.
        check_every: steps between two looks at the loss.
        seed: of every random draw.
        deterministic: the same machine and seed give the same bits: no limit of time, and where it is open which
            backend sums, only those that repeat.
    """

    steps: int = 60
    seconds: float | None = None
    decrease: float | None = None
    loss: float | None = None
    start: Literal["samples", "box"] = "samples"
    ladder: tuple[float, ...] = ()
    noise: float = 0.0
    batch: int | None = None
    weight_rate: float = 0.0
    refinements: int | None = None
    check_every: int = 10
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_choice("start", self.start, ["samples", "box"])
        for name in ("batch", "check_every"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ArgumentError(name, came=repr(value), wanted="a positive whole number")
        for name in ("noise", "weight_rate"):
            if not getattr(self, name) >= 0:
                raise ArgumentError(name, came=getattr(self, name), wanted="a number ≥ 0")
        if self.refinements is not None and not (is_count(self.refinements, at_least=0) and self.refinements <= MOST):
            raise ArgumentError("refinements", came=repr(self.refinements), wanted=f"a whole number from 0 to {MOST}")
        if self.deterministic and self.seconds is not None:
            remedy = "Stop after steps, or at a loss."
            raise ArgumentError("seconds", came=self.seconds, wanted="None with deterministic=True", remedy=remedy)


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
