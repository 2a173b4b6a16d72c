"""Watches that a run stays finite, and leaves it at its last good state however it ends."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, final

import torch
from torch import Tensor

from interflow.energies import Energy
from interflow.errors import NonFiniteError
from interflow.state import State

CHECK_INTERVAL = {"cpu": 1}
"""Steps between two checks by type of device; on others than these 32, since a check waits for the device."""

CAUSES = (
    "Usual causes: a step size that is too large; a kernel that is singular where particles meet, which a softening "
    "removes; an attraction that collapses the cloud."
)


class Stepper(Protocol):
    """What a guard watches: a system that makes steps, and owns its state and its generator."""

    state: State
    energy: Energy
    generator: torch.Generator | None

    def step(self, state: State) -> State:
        """The next state."""


@dataclass(frozen=True)
class _Moment:
    """A state, with the state of the generator as it was then."""

    state: State
    noise: Tensor | None


@final
class Guard:
    """A context in which a system advances. Left by an error, the system holds the last state that is finite.

    States are checked every few steps, so that a GPU need not wait at each of them. When one is found that is not
    finite, the steps since the last check are made again, one by one, to find the first.

    Args:
        system: what advances.
    """

    def __init__(self, system: Stepper) -> None:
        self._system = system
        self._interval = CHECK_INTERVAL.get(system.state.positions.device.type, 32)
        self._latest = self._good = self._moment(system.state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._restore(self._latest if self._latest.state.is_finite() else self._good)

    def advance(self, *, check: bool) -> State:
        """Make a step of the system, and check the result if it is time to or ``check`` says so.

        Raises:
            NonFiniteError: if a position is not finite.
        """
        state = self._system.step(self._latest.state)
        self._latest = self._moment(state)
        self._system.state = state
        if check or state.step % self._interval == 0:
            if not state.is_finite():
                self._find_first()
            self._good = self._latest
        return self._latest.state

    def _find_first(self) -> None:
        """Step again from the last good state up to the first that is not finite, and raise."""
        last_step = self._latest.state.step
        self._restore(self._good)
        while self._good.state.step < last_step:
            self._latest = self._moment(self._system.step(self._good.state))
            if not self._latest.state.is_finite():
                raise _diagnosis(self._system.energy, self._good.state, self._latest.state)
            self._good = self._latest
        self._restore(self._latest)  # a machine that does not repeat itself: the second time all was well

    def _moment(self, state: State) -> _Moment:
        generator = self._system.generator
        return _Moment(state, None if generator is None else generator.get_state())

    def _restore(self, moment: _Moment) -> None:
        self._system.state = moment.state
        if self._system.generator is not None and moment.noise is not None:
            self._system.generator.set_state(moment.noise)


def _diagnosis(energy: Energy, good: State, bad: State) -> NonFiniteError:
    """The error that names the step, the particles, and the term of the energy at the last good state."""
    particles = (~bad.positions.isfinite().all(-1)).nonzero().flatten().tolist()
    named = ", ".join(map(str, particles[:5])) + (", …" if len(particles) > 5 else "")
    term = _term(energy, good)
    message = (
        f"step {bad.step}: the positions of {len(particles)} of {len(bad.positions)} particles are not finite "
        f"(particles {named}). At step {good.step}, {term}. {CAUSES} "
        f"The state is left as it was after step {good.step}."
    )
    return NonFiniteError(message, step=bad.step, particles=particles, term=term)


def _term(energy: Energy, state: State) -> str:
    """What is not finite at a state, in words: the first term of the energy, or the step alone."""
    for name, term in energy.terms():
        if not bool(term.velocity(state.positions, state.weights).isfinite().all()):
            return f"the velocity of the term {name} is not finite"
    return "the velocity of every term is finite, and the step itself went too far"
