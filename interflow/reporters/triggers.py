"""When something is done in the course of a run: functions of a state, asked after each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from interflow.errors import ArgumentError
from interflow.state import State
from interflow.validation import is_count

Trigger = Callable[[State], bool]
"""Whether it is time. Any function of the state is one, such as ``lambda state: state.time > 1.0``."""


@final
@dataclass(frozen=True)
class EverySteps:
    """At every step whose number is a multiple of ``count``, counted over the life of the system.

    Example:
        >>> import torch
        >>> state = State(torch.zeros(1, 2), torch.ones(1))
        >>> [step for step in range(10) if EverySteps(4)(state.replace(step=step))]
        [0, 4, 8]
    """

    count: int

    def __post_init__(self) -> None:
        if not is_count(self.count, at_least=1):
            raise ArgumentError("every", came=repr(self.count), wanted="an integer ≥ 1, or a function of the state")

    def __call__(self, state: State) -> bool:
        """Whether it is time."""
        return state.step % self.count == 0


@final
class EverySeconds:
    """At the first step that ends ``seconds`` or more after the last time, or after the start; with 0 at every step.

    Args:
        seconds: by the clock on the wall.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ArgumentError("seconds", came=repr(seconds), wanted="a number ≥ 0")
        self.seconds = seconds
        self._last = time.monotonic()

    def __call__(self, state: State) -> bool:
        """Whether it is time."""
        now = time.monotonic()
        due = now - self._last >= self.seconds
        if due:
            self._last = now
        return due


def trigger(every: int | Trigger) -> Trigger:
    """A number of steps as a trigger; triggers as they are."""
    return every if callable(every) else EverySteps(every)
