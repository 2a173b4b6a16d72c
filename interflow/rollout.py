"""Rollouts: steps whose graph is kept, so that what they lead to can be differentiated.

With ``x_{t+1} = F(x_t)`` and a loss L of the states, the gradients ``g_t = ∂L/∂x_t`` obey ``g_t = F'(x_t)ᵀ g_{t+1}``
(plus what L takes from x_t itself), from the last step back to the first. A backward pass needs the inside of every
step, and there are three ways to have it:

- ``full`` keeps all of it: memory in proportion to the steps.
- ``checkpoint`` keeps the states at the ends of segments of ⌈√steps⌉ steps, and makes the steps of a segment again when
  the backward pass arrives there: memory O(√steps), each step made twice, the same gradients (Griewank and Walther,
  2000; Chen, Xu, Zhang and Guestrin, 2016). Noise is drawn again from the generator as it was then.
- ``truncated`` cuts the graph every ``window`` steps, counted from the end: memory in proportion to the window, and a
  gradient that leaves out what acts over more than ``window`` steps (Williams and Peng, 1990).
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from interflow.errors import ArgumentError
from interflow.state import State
from interflow.validation import check_choice

Gradient = Literal["full", "checkpoint", "truncated"]

Segment = Callable[[State, bool], State]
"""Some steps from a state on; the flag says whether this is the first time that they are made."""


class GradientMode(ABC):
    """Where a rollout is divided into segments, and how the graph of a segment is kept."""

    @abstractmethod
    def is_boundary(self, count: int) -> bool:
        """Whether a segment ends after ``count`` steps of the rollout."""

    @abstractmethod
    def run(self, segment: Segment, state: State, count: int) -> State:
        """The state after a segment that starts after ``count`` steps."""


@dataclass(frozen=True)
class FullBackprop(GradientMode):
    """The whole graph."""

    def is_boundary(self, count: int) -> bool:
        return False

    def run(self, segment: Segment, state: State, count: int) -> State:
        return segment(state, True)


@dataclass(frozen=True)
class CheckpointedBackprop(GradientMode):
    """The states between segments of a length; their insides are made again, with the same noise.

    Args:
        length: of a segment, in steps.
        generator: where noise is drawn from.
    """

    length: int
    generator: torch.Generator | None

    def is_boundary(self, count: int) -> bool:
        return count % self.length == 0

    def run(self, segment: Segment, state: State, count: int) -> State:
        tensors, calls = state.to_dict(), itertools.count()

        def from_tensors(*values: Tensor) -> State:
            return segment(State.from_dict(dict(zip(tensors, values, strict=True))), next(calls) == 0)

        end: State = checkpoint(
            from_tensors,
            *tensors.values(),
            use_reentrant=False,
            preserve_rng_state=False,  # what is drawn comes from the generator
            context_fn=self._contexts,
        )
        return end

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """The surroundings of a segment when it is made, and when it is made again."""
        return nullcontext(), nullcontext() if self.generator is None else _ReplayGenerator(self.generator)


@dataclass(frozen=True)
class TruncatedBackprop(GradientMode):
    """The graph of windows that end with the rollout; the state is cut from it between them."""

    steps: int
    window: int

    def is_boundary(self, count: int) -> bool:
        return count > 0 and (self.steps - count) % self.window == 0

    def run(self, segment: Segment, state: State, count: int) -> State:
        return segment(state.detach() if self.is_boundary(count) else state, True)


def gradient_mode(
    gradient: Gradient, *, steps: int, window: int | None, generator: torch.Generator | None
) -> GradientMode:
    """The mode of a name.

    Raises:
        ArgumentError: for another name; unless a window comes with ``"truncated"``, and with it alone.
    """
    check_choice("gradient", gradient, get_args(Gradient))
    if (window is not None) != (gradient == "truncated"):
        wanted = "a number of steps" if window is None else "None: only gradient='truncated' has one"
        raise ArgumentError("window", came=f"{window} with gradient={gradient!r}", wanted=wanted)
    if window is not None and (isinstance(window, float) or window < 1):
        raise ArgumentError("window", came=repr(window), wanted="an integer ≥ 1")
    if window is not None:
        return TruncatedBackprop(steps, window)
    return FullBackprop() if gradient == "full" else CheckpointedBackprop(math.isqrt(max(steps - 1, 0)) + 1, generator)


def iterate_frames(
    step: Callable[[State], State],
    state: State,
    ends: list[int],
    mode: GradientMode,
    observe: Callable[[State], object],
) -> Iterator[State]:
    """The states after ``ends`` steps.

    Args:
        step: makes one.
        state: where to start.
        ends: increasing numbers of steps.
        mode: how the graph is kept.
        observe: is called with the state after each step, once.
    """
    made = 0
    for end in ends:
        borders = [*(count for count in range(made + 1, end) if mode.is_boundary(count)), end]
        for border in borders:
            state = mode.run(_segment(step, border - made, observe), state, made)
            made = border
        yield state


def _segment(step: Callable[[State], State], steps: int, observe: Callable[[State], object]) -> Segment:
    def segment(state: State, first_time: bool) -> State:
        for _ in range(steps):
            state = step(state)
            if first_time:
                observe(state)
        return state

    return segment


class _ReplayGenerator(AbstractContextManager[None]):
    """A context, to be entered any number of times, in which a generator is as it was when the context was made."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._then = self._now = generator.get_state()

    def __enter__(self) -> None:
        self._now = self._generator.get_state()
        self._generator.set_state(self._then)

    def __exit__(self, *_: object) -> None:
        self._generator.set_state(self._now)
