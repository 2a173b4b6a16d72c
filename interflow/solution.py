"""What a run gives back: the frames that it saved, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.state import State


class Solution(Protocol):
    """The frames of a run, wherever they are kept; ``len(solution)`` of them, each a state ``solution[frame]``."""

    @property
    def positions(self) -> Tensor:
        """``(frames, N, d)``."""

    @property
    def velocities(self) -> Tensor | None:
        """``(frames, N, d)``; None for a motion of first order."""

    @property
    def weights(self) -> Tensor:
        """``(N,)``."""

    @property
    def times(self) -> Tensor:
        """``(frames,)``, float64, on the CPU."""

    @property
    def steps(self) -> Tensor:
        """``(frames,)``, int64: the number of steps made before each frame, counted over the life of the system."""

    @property
    def energies(self) -> Tensor:
        """``(frames,)``: the energy of each frame."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """How the run went: ``steps``, ``seconds``, ``steps_per_second``, and what the energy says about itself."""

    @property
    def final(self) -> State:
        """The whole state at the end, from which a run can go on."""

    def __len__(self) -> int: ...

    def __getitem__(self, frame: int) -> State: ...


@final
@dataclass(frozen=True, eq=False)
class MemorySolution:
    """A `Solution` whose frames are in memory, on the device of the positions."""

    positions: Tensor
    velocities: Tensor | None
    weights: Tensor
    times: Tensor
    steps: Tensor
    energies: Tensor
    stats: Mapping[str, Any]
    final: State

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
        )


@final
@dataclass(frozen=True)
class FramePlan:
    """Which states of a run of ``steps`` steps are saved: every ``save_every``-th, and always the first and the last.

    There are ``1 + ⌈steps / save_every⌉`` of them; ``save_every=None`` saves the first and the last alone.

    Example:
        >>> plan = FramePlan(steps=5, save_every=2)
        >>> [count for count in range(6) if plan.saves(count)]
        [0, 2, 4, 5]
    """

    steps: int
    save_every: int | None = None

    def __post_init__(self) -> None:
        _check_count("steps", self.steps, at_least=0)
        if self.save_every is not None:
            _check_count("save_every", self.save_every, at_least=1)

    def saves(self, count: int) -> bool:
        """Whether the state after ``count`` steps of the run is a frame."""
        return count in (0, self.steps) or (self.save_every is not None and count % self.save_every == 0)


@final
class Recorder:
    """Collects the frames of a run."""

    def __init__(self) -> None:
        self._states: list[State] = []
        self._energies: list[Tensor] = []

    def add(self, state: State, energy: Tensor) -> None:
        """Save a state as a frame, with its energy."""
        self._states.append(state)
        self._energies.append(energy)

    def solution(self, stats: Mapping[str, Any]) -> MemorySolution:
        """The frames saved so far."""
        states, final_state = self._states, self._states[-1]
        velocities = [state.velocities for state in states if state.velocities is not None]
        return MemorySolution(
            positions=torch.stack([state.positions for state in states]),
            velocities=torch.stack(velocities) if velocities else None,
            weights=final_state.weights,
            times=torch.stack([state.time.detach() for state in states]).cpu(),
            steps=torch.tensor([state.step for state in states]),
            energies=torch.stack(self._energies),
            stats=stats,
            final=final_state,
        )


def _check_count(name: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ArgumentError(name, came=repr(value), wanted=f"an integer ≥ {at_least}")
