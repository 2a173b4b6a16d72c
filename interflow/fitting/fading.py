"""Descent whose steps fade, for velocities that are known up to noise, which momentum would add up.

``x ← x + hₙ v(x)`` with ``hₙ = h (1 − n/steps)``: small steps average the noise (Robbins and Monro, 1951).
"""

from __future__ import annotations

from typing import final

import torch

from interflow.integrators.base import Dynamics, Integrator
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class FadingDescent(Integrator):
    """`Euler` with a step size that falls to 0.

    Args:
        step_size: h, that of the first step.
        steps: steps after which points rest.
    """

    def __init__(self, step_size: float, steps: int) -> None:
        super().__init__()
        self.step_size = PositiveParameter(step_size)
        self.steps = steps

    def init(self, state: State) -> State:
        return state

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        size = self.step_size * max(0.0, 1.0 - state.step / max(self.steps, 1))
        moved = state.positions + size.to(state.positions.dtype) * dynamics.velocity(state)
        return state.replace(positions=dynamics.wrap(moved), time=state.time + size, step=state.step + 1)
