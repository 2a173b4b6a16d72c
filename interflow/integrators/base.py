"""What an integrator is: a pure map from a state to the next one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import Parametrised, finite
from interflow.state import State


class Dynamics(Protocol):
    """What moves the particles, and the domain that they move in."""

    def velocity(self, state: State) -> Tensor:
        """The velocity of the flow at a state, ``(N, d)``."""

    def wrap(self, positions: Tensor) -> Tensor:
        """Positions brought back inside the domain, ``(N, d)``."""

    def reflect(self, positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
        """Positions brought back inside the domain, and the velocities that they have there, each ``(N, d)``."""


class Integrator(Parametrised, ABC):
    """A rule for the next state. A subclass writes `step`, and `init` where it keeps tensors from step to step.

    Example:
        >>> import dataclasses
        >>> import interflow as fl
        >>> class UnitSpeed(Integrator):
        ...     def step(self, state, dynamics, generator):
        ...         direction = torch.nn.functional.normalize(dynamics.velocity(state))
        ...         moved = dynamics.wrap(state.positions + 0.1 * direction)
        ...         return dataclasses.replace(state, positions=moved, step=state.step + 1)
        >>> energy = fl.ExternalEnergy(lambda x: x.square().sum(-1))
        >>> system = fl.ParticleSystem(torch.ones(1, 1), energy=energy, integrator=UnitSpeed())
        >>> system.simulate(2, progress=False).positions[-1]
        tensor([[0.8000]])
    """

    def init(self, state: State) -> State:
        """The state with all that `step` expects in it, as at the start of a run; by default nothing is added.

        Where a run goes on, what the state had already is kept.

        Raises:
            ArgumentError: by default, if the state has velocities: a motion of first order would ignore them.
        """
        if state.velocities is not None:
            raise ArgumentError(
                "velocities",
                came=f"shape {tuple(state.velocities.shape)}",
                wanted=f"None with {type(self).__name__}",
                remedy="Its motion has no inertia; Momentum moves particles by their velocities.",
            )
        return state

    def not_differentiable_reason(self) -> str | None:
        """Why its steps cannot be differentiated, for a rollout to say; None if they can, as by default."""
        return None

    @abstractmethod
    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        """The next state: pure, and differentiable in all that the state and the dynamics hold.

        Velocities are evaluated at positions that may lie outside the domain (stages of a method); those of the
        state that is returned are wrapped.
        """


def non_negative(name: str, value: float | Tensor) -> Tensor:
    """The value as a float64 tensor of its own; raises `ArgumentError` naming the argument if it is negative."""
    tensor = finite(name, value)
    if bool((tensor < 0).any()):
        raise ArgumentError(name, came=value, wanted="a number ≥ 0")
    return tensor
