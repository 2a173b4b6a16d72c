"""Accelerated descent."""

from __future__ import annotations

from typing import final

import torch

from interflow.integrators.base import Dynamics, Integrator
from interflow.integrators.momentum import heavy_ball_step
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class Nesterov(Integrator):
    """The heavy ball whose friction fades, ``ẋ = u, u̇ = v(x) − (3/t) u``, the limit of Nesterov's method.

    From Su, Boyd and Candès, A differential equation for modeling Nesterov's accelerated gradient method (2016). The
    steps are those of `Momentum` with the friction at their end; t is the time since the velocities were at rest at 0.

    Args:
        step_size: h, a time.
        learnable: make h an ``nn.Parameter``.

    Example:
        >>> Nesterov(step_size=0.5).step_size.item()
        0.5
    """

    def __init__(self, step_size: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.step_size = PositiveParameter(step_size, learnable=learnable)

    def init(self, state: State) -> State:
        return state if state.velocities is not None else state.replace(velocities=torch.zeros_like(state.positions))

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        friction = 3.0 / (state.time + self.step_size)
        return heavy_ball_step(state, dynamics, self.step_size, friction)
