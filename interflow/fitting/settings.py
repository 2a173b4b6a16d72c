"""The settings of a fit, and the rules by which it ends."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Literal, TypeVar, final

from interflow.errors import ArgumentError
from interflow.fitting.resolution_levels import MAX_REFINEMENTS
from interflow.validation import check_choice

DefaultT = TypeVar("DefaultT")

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤"}


@final
@dataclass(frozen=True)
class Bounds:
    """Bounds of a setting, by the names that Pydantic has for them.

    Args:
        whole: whether the setting must be a whole number.
        limits: ``ge`` and ``gt`` bound it from below, ``le`` from above.
    """

    whole: bool
    limits: Mapping[str, float]

    def check(self, name: str, value: object) -> None:
        """Raise `ArgumentError` naming the setting unless its value is such a number."""
        is_number = isinstance(value, Integral if self.whole else Real) and not isinstance(value, bool)
        if not is_number or not all(getattr(operator, bound)(value, limit) for bound, limit in self.limits.items()):
            words = " and ".join(f"{_SIGNS[bound]} {limit:g}" for bound, limit in self.limits.items())
            wanted = f"a {'whole ' if self.whole else ''}number {words}"
            raise ArgumentError(name, came=repr(value), wanted=wanted)


def _whole(default: DefaultT, **limits: float) -> DefaultT:
    """Declare a setting that is a whole number within bounds, or its default."""
    return field(default=default, metadata={"bounds": Bounds(True, limits)})


def _number(default: DefaultT, **limits: float) -> DefaultT:
    """Declare a setting that is a number within bounds, or its default."""
    return field(default=default, metadata={"bounds": Bounds(False, limits)})


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """All that a fit depends on beside the clouds, the discrepancy and the integrator.

    The arguments of `fit`, the fields of ``descent`` in configs and what ``--set`` changes there come from this list.
    Lengths are in units of the target's root mean square radius.

    Args:
        steps: the most steps that are made, dealt out evenly over the bandwidths.
        max_seconds: the time after which it ends; none for no limit.
        min_relative_decrease: it ends when the loss falls by less than this part of itself over three checks; none to
            go on.
        target_loss: it ends at this loss; none to go on.
        init: where points start of which only the number is given: at ``"samples"`` of the target, or in its
            ``"box"``.
        bandwidth_factors: factors of the kernel's bandwidth, one after the other, such as ``(8, 4, 2, 1)``; none for
            it alone.
        noise: level at the start of the noise that is injected, falling to 0 at the end.
        batch_size: points of the target that each step sees, drawn anew; none for all of them.
        weight_step_size: η of learned weights; 0 keeps the weights.
        refinements: number of coarse-to-fine stages; each quadruples the number of points. If None, chosen from the
            number of pairs with the default discrepancy, else 0.
        check_every: steps between two looks at the loss.
        seed: of every random draw.
        deterministic: the same machine and seed give the same bits: no limit of time, and where it is open which
            backend sums, only those that repeat.

    Raises:
        ArgumentError: if a setting is out of its bounds, or ``deterministic`` comes with a limit of time.
    """

    steps: int = _whole(60, ge=0)
    max_seconds: float | None = _number(None, gt=0)
    min_relative_decrease: float | None = _number(None, gt=0)
    target_loss: float | None = None
    init: Literal["samples", "box"] = "samples"
    bandwidth_factors: tuple[float, ...] = ()
    noise: float = _number(0.0, ge=0)
    batch_size: int | None = _whole(None, ge=1)
    weight_step_size: float = _number(0.0, ge=0)
    refinements: int | None = _whole(None, ge=0, le=MAX_REFINEMENTS)
    check_every: int = _whole(10, ge=1)
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_choice("init", self.init, ["samples", "box"])
        for setting in fields(FitSettings):
            value = getattr(self, setting.name)
            if "bounds" in setting.metadata and value != setting.default:
                setting.metadata["bounds"].check(setting.name, value)
        if self.deterministic and self.max_seconds is not None:
            remedy = "Stop after steps, or at a loss."
            raise ArgumentError(
                "max_seconds", came=self.max_seconds, wanted="None with deterministic=True", remedy=remedy
            )

    def stopping_rules(self, last_step: int, *, is_last: bool) -> list[StoppingRule]:
        """The rules by which a stage ends that may go on to a step; the last stage alone looks at the loss."""
        rules: list[StoppingRule] = [MaxSteps(last_step)]
        rules += [MaxSeconds(self.max_seconds)] if self.max_seconds is not None else []
        rules += [LossPlateau(self.min_relative_decrease)] if is_last and self.min_relative_decrease is not None else []
        rules += [TargetLoss(self.target_loss)] if is_last and self.target_loss is not None else []
        return rules


@final
@dataclass(frozen=True)
class FitRecord:
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
class FitProgress:
    """A fit on its way: the steps made, the seconds they took, and the losses that were measured."""

    step: int
    seconds: float
    history: tuple[FitRecord, ...]


class StoppingRule(ABC):
    """A reason to end. A subclass writes `reason`."""

    @abstractmethod
    def reason(self, progress: FitProgress) -> str | None:
        """Why the fit ends now, in words; None to go on."""


@final
@dataclass(frozen=True)
class MaxSteps(StoppingRule):
    """After a number of steps."""

    steps: int

    def reason(self, progress: FitProgress) -> str | None:
        return f"{self.steps} steps were made" if progress.step >= self.steps else None


@final
@dataclass(frozen=True)
class MaxSeconds(StoppingRule):
    """After the step with which a time is over."""

    seconds: float

    def reason(self, progress: FitProgress) -> str | None:
        return f"{self.seconds:g} seconds were over" if progress.seconds >= self.seconds else None


@final
@dataclass(frozen=True)
class TargetLoss(StoppingRule):
    """When the loss is as small as it need be."""

    loss: float

    def reason(self, progress: FitProgress) -> str | None:
        reached = bool(progress.history) and progress.history[-1].loss <= self.loss
        return f"the loss came to {self.loss:g}" if reached else None


@final
@dataclass(frozen=True)
class LossPlateau(StoppingRule):
    """When the best of the last three losses is hardly less than the best before them.

    Args:
        fraction: the least relative decrease that is worth going on for.

    Example:
        >>> records = tuple(FitRecord(step, 0.0, loss) for step, loss in enumerate([1.0, 0.5, 0.49, 0.495, 0.492]))
        >>> LossPlateau(0.1).reason(FitProgress(4, 0.0, records))
        'the loss fell by less than 0.1 of itself'
    """

    fraction: float

    def reason(self, progress: FitProgress) -> str | None:
        losses = [record.loss for record in progress.history]
        if len(losses) <= 3:
            return None
        before, recent = min(losses[:-3]), min(losses[-3:])
        small = before - recent < self.fraction * abs(before)
        return f"the loss fell by less than {self.fraction:g} of itself" if small else None
