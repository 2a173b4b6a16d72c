"""Runs that end before their last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from interflow.errors import RunStoppedError
from interflow.reporters.triggers import Trigger
from interflow.state import State


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
