"""When something is done during a run: triggers, stops, and the progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from interflow.errors import ArgumentError, RunStoppedError
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


@final
@dataclass(frozen=True)
class StopWhen:
    """A callback that ends a run by a `RunStoppedError`, after a whole step; put it last among the callbacks.

    A run in a folder is saved as it is then, and can be resumed.

    Args:
        trigger: when; ``EverySeconds(3600)`` ends a run after an hour.
        reason: in words, for the message.

    Example:
        >>> import torch
        >>> stop = StopWhen(lambda state: state.step >= 5, reason="five steps are enough")
        >>> stop(State(torch.zeros(1, 2), torch.ones(1), step=5))
        Traceback (most recent call last):
        interflow.errors.RunStoppedError: Stopped after step 5: five steps are enough.
    """

    trigger: Trigger
    reason: str

    def __call__(self, state: State) -> None:
        """End the run if it is time."""
        if self.trigger(state):
            raise RunStoppedError(f"Stopped after step {state.step}: {self.reason}.")


@contextmanager
def progress_bar(steps: int, shown: bool | None = None, made: int = 0) -> Iterator[Callable[[State], None]]:
    """A reporter that counts steps and shows how many are made a second; the bar closes with the block.

    Args:
        steps: how many there will be.
        shown: None shows it in notebooks, and where the standard error stream is a terminal.
        made: how many of them were made before.

    Example:
        >>> import torch
        >>> with progress_bar(steps=1, shown=False) as report:
        ...     report(State(torch.zeros(1, 2), torch.ones(1)))
    """
    from tqdm.auto import tqdm  # takes a moment to import, and only runs need it

    with tqdm(total=steps, initial=made, unit=" steps", disable=None if shown is None else not shown) as bar:

        def report(state: State) -> None:
            bar.update()

        yield report
