"""The one loop in which systems advance and stay finite, and the recording of frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final

import torch
from torch import Tensor

from interflow._repr import ShortRepr
from interflow.boundaries import Boundary, Extent, OpenBoundary
from interflow.energies import Energy
from interflow.errors import ArgumentError, NonFiniteError
from interflow.solution import ENERGY, FramePlan, Solution
from interflow.state import State

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHECK_INTERVAL = {"cpu": 1}
"""Steps between two checks by type of device; on others than these 32, since a check waits for the device."""

CAUSES = (
    "Usual causes: a step size that is too large; a kernel that is singular where particles meet, which a softening "
    "removes; an attraction that collapses the cloud."
)


class Stepper(Protocol):
    """A system that makes steps, and owns its state and its generator."""

    state: State
    energy: Energy
    generator: torch.Generator | None

    @property
    def boundary(self) -> Boundary:
        """The domain."""

    def step(self, state: State) -> State:
        """The next state."""


@dataclass(slots=True)
class _Snapshot:
    """A state, and the state of the random number generator after the step that led to it."""

    state: State
    rng_state: Tensor | None


def advance(
    system: Stepper,
    *,
    is_over: Callable[[int], bool],
    is_checked: Callable[[int], bool],
    after_step: Callable[[int, State], object],
    steps_made: int = 0,
) -> None:
    """Advance a system in place until its run is over: the loop of `simulate` and of every stage of `fit`.

    However it ends, by an error or a keyboard interrupt too, the system holds the last state that is finite. States are
    checked every few steps, so that a GPU need not wait at each of them. When one is found that is not finite, the
    steps since the last check are made again, one by one, to find the first.

    Args:
        system: what advances.
        is_over: whether the run ends after a number of its steps; asked before each step.
        is_checked: whether the state after a number of steps must be known to be finite before anybody sees it.
        after_step: called after each step, with the number of steps of the run and the state.
        steps_made: number of steps that the run has behind it already, as a run that is resumed does.

    Raises:
        NonFiniteError: if a position becomes infinite or NaN.
    """
    interval = CHECK_INTERVAL.get(system.state.positions.device.type, 32)
    latest = good = _snapshot(system, system.state)
    count = steps_made
    try:
        while not is_over(count):
            count += 1
            latest = _snapshot(system, system.step(latest.state))
            system.state = latest.state
            if latest.state.step % interval == 0 or is_checked(count):
                if not latest.state.is_finite():
                    latest, error = _replay_to_first_nonfinite(system, good, latest.state.step)
                    if error is not None:
                        raise error
                good = latest
            after_step(count, latest.state)
    except BaseException:
        _restore(system, latest if latest.state.is_finite() else good)
        raise


def _replay_to_first_nonfinite(
    system: Stepper, good: _Snapshot, last_step: int
) -> tuple[_Snapshot, NonFiniteError | None]:
    """Step again from a good state; return the last one that is finite, and the error that tells of the next one."""
    _restore(system, good)
    while good.state.step < last_step:
        latest = _snapshot(system, system.step(good.state))
        if not latest.state.is_finite():
            return good, _nonfinite_error(system.energy, good.state, latest.state)
        good = latest
    _restore(system, good)  # a machine that does not repeat itself: the second time all was well
    return good, None


def _snapshot(system: Stepper, state: State) -> _Snapshot:
    return _Snapshot(state, None if system.generator is None else system.generator.get_state())


def _restore(system: Stepper, snapshot: _Snapshot) -> None:
    system.state = snapshot.state
    if system.generator is not None and snapshot.rng_state is not None:
        system.generator.set_state(snapshot.rng_state)


def _nonfinite_error(energy: Energy, good: State, bad: State) -> NonFiniteError:
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
        if not bool(term.velocity(*term.arguments(state.positions, state.weights, state.features)).isfinite().all()):
            return f"the velocity of the term {name} is not finite"
    return "the velocity of every term is finite, and the step itself went too far"


@final
@dataclass(frozen=True, eq=False, repr=False)
class MemorySolution(ShortRepr):
    """A `Solution` whose frames are in memory, on the device of the positions."""

    positions: Tensor
    velocities: Tensor | None
    weights: Tensor
    times: Tensor
    steps: Tensor
    scalars: Mapping[str, Tensor]
    stats: Mapping[str, Any]
    final: State
    extent: Extent
    features: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def energies(self) -> Tensor:
        """``(frames,)``."""
        return self.scalars[ENERGY]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, frame: int) -> State:
        """The state of a frame, without what an integrator carries: see `final`."""
        return State(
            positions=self.positions[frame],
            weights=self.weights,
            velocities=None if self.velocities is None else self.velocities[frame],
            time=self.times[frame],
            step=int(self.steps[frame]),
            features=self.features,
        )

    def plot(self, kind: str = "evolution", *, colour: Any = None, title: str = "") -> Figure:
        """A picture that notebooks show; see `interflow.views.evolutions`."""
        from interflow.views.evolutions import plot

        return plot(self, kind, colour=colour, title=title)


class FrameWriter(Protocol):
    """A run while it goes on, and what is kept of it."""

    @property
    def steps_done(self) -> int:
        """How many of the run's steps were made before."""

    def write_frame(self, state: State, scalars: Mapping[str, Tensor]) -> None:
        """Keep a state as a frame, with its energy and other scalars."""

    def after_step(self, state: State) -> None:
        """Take note of a step, after all else that belongs to it is done."""

    def finish(self, stats: Mapping[str, Any]) -> Solution:
        """The frames, at the end of the run."""


@final
class MemoryWriter:
    """Collects the frames of a run that starts where the system is.

    Args:
        boundary: the domain; None for open space.
    """

    steps_done = 0

    def __init__(self, boundary: Boundary | None = None) -> None:
        self._boundary = OpenBoundary() if boundary is None else boundary
        self._states: list[State] = []
        self._scalars: list[Mapping[str, Tensor]] = []

    def write_frame(self, state: State, scalars: Mapping[str, Tensor]) -> None:
        """Keep a state as a frame, with its energy and other scalars."""
        self._states.append(state)
        self._scalars.append(scalars)

    def after_step(self, state: State) -> None:
        """Nothing: what is in memory needs no saving."""

    def finish(self, stats: Mapping[str, Any]) -> MemorySolution:
        """The frames so far."""
        states, final_state = self._states, self._states[-1]
        velocities = [state.velocities for state in states if state.velocities is not None]
        return MemorySolution(
            positions=torch.stack([state.positions for state in states]),
            velocities=torch.stack(velocities) if velocities else None,
            weights=final_state.weights,
            times=torch.stack([state.time.detach() for state in states]).cpu(),
            steps=torch.tensor([state.step for state in states]),
            scalars={name: torch.stack([scalars[name] for scalars in self._scalars]) for name in self._scalars[0]},
            stats=stats,
            final=final_state,
            extent=self._boundary.extent(final_state.positions.shape[1]),
            features=final_state.features,
        )


@final
class MemoryStore:
    """The `FrameStore` that keeps frames in memory, from where nothing can be resumed."""

    @contextmanager
    def recording(self, system: Stepper, plan: FramePlan, resume: bool) -> Iterator[MemoryWriter]:
        """A run from the state of the system."""
        if resume:
            remedy = "Say where: simulate(..., out=fl.RunFolder('runs/a'), resume=True)."
            raise ArgumentError("resume", came="True without `out`", wanted="the folder of the run", remedy=remedy)
        yield MemoryWriter(system.boundary)
