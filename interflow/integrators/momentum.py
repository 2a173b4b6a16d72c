"""Damped motion of second order."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from interflow.integrators.base import Dynamics, Integrator, non_negative
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class Momentum(Integrator):
    """The heavy ball with friction ``ẋ = u, u̇ = v(x) − γu``, of order 2 with one velocity v of the flow a step.

    A step splits the motion symmetrically (Strang, 1968), the friction exactly, with ``s = exp(−γh/2)``:

        ``x ← x + (h/2) u,   u ← s(su + h v(x)),   x ← x + (h/2) u``.

    Without friction this is the position Verlet method, symplectic and reversible in time; with it, the scheme ABOBA
    of Leimkuhler & Matthews (2015) without noise. In the middles ``y = x + (h/2) u`` it is the heavy ball of Polyak
    (1964), ``y ← y + s²(y − y₋) + sh² v(y)``. Velocities that are not given start at rest; walls turn them round.

    Args:
        step_size: h, a time.
        friction: γ ≥ 0, one over a time.
        learnable: make h an ``nn.Parameter``.

    Example:
        >>> Momentum(step_size=0.01, friction=2.0).friction.item()
        2.0
    """

    friction: Tensor

    def __init__(self, step_size: float, friction: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.step_size = PositiveParameter(step_size, learnable=learnable)
        self.register_buffer("friction", non_negative("friction", friction))

    def init(self, state: State) -> State:
        return state if state.velocities is not None else state.replace(velocities=torch.zeros_like(state.positions))

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        return heavy_ball_step(state, dynamics, self.step_size, self.friction)


def heavy_ball_step(state: State, dynamics: Dynamics, step_size: Tensor, friction: Tensor) -> State:
    """A step of the heavy ball, as `Momentum` describes it; h and γ are 0-d float64 tensors."""
    velocities = _velocities(state)
    h = step_size.to(state.positions.dtype)
    damping = (-0.5 * friction * step_size).exp().to(state.positions.dtype)
    middle = state.positions + 0.5 * h * velocities
    halfway = state.replace(positions=middle, time=state.time + 0.5 * step_size)
    velocities = damping * (damping * velocities + h * dynamics.velocity(halfway))
    positions, velocities = dynamics.reflect(middle + 0.5 * h * velocities, velocities)
    return state.replace(positions=positions, velocities=velocities, time=state.time + step_size, step=state.step + 1)


def _velocities(state: State) -> Tensor:
    return torch.zeros_like(state.positions) if state.velocities is None else state.velocities
