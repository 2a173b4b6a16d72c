"""Noise injection: the velocity is taken at positions that are shaken.

``x ← x + h v(x + β ξ)`` with ξ normal and β falling to 0 (Arbel, Korba, Salim and Gretton, Maximum mean discrepancy
gradient flow, 2019): points that no target is in reach of are brought within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.integrators.base import Dynamics, Integrator, non_negative
from interflow.state import State


@final
class NoiseInjection(Integrator):
    """An integrator whose velocities are taken at ``x + β ξ``, with ``β = level · (1 − step/steps)``.

    Args:
        inner: what makes the steps.
        level: β at the start, a length.
        steps: steps after which there is no noise.
        before: steps that were made before those of the state, on earlier rungs of a ladder.
    """

    level: Tensor

    def __init__(self, inner: Integrator, level: float, steps: int, before: int = 0) -> None:
        super().__init__()
        self.inner = inner
        self.steps = steps
        self.before = before
        self.register_buffer("level", non_negative("level", level))

    def init(self, state: State) -> State:
        return self.inner.init(state)

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        left = max(0.0, 1.0 - (self.before + state.step) / max(self.steps, 1))
        return self.inner.step(state, _Shaken(dynamics, float(self.level) * left, generator), generator)


@dataclass(frozen=True)
class _Shaken:
    """Dynamics whose velocity is that of positions nearby."""

    dynamics: Dynamics
    level: float
    generator: torch.Generator | None

    def velocity(self, state: State) -> Tensor:
        positions = state.positions
        device = positions.device if self.generator is None else self.generator.device
        noise = torch.randn(positions.shape, generator=self.generator, dtype=positions.dtype, device=device)
        shaken = self.dynamics.wrap(positions + self.level * noise.to(positions.device))
        return self.dynamics.velocity(state.replace(positions=shaken))

    def wrap(self, positions: Tensor) -> Tensor:
        return self.dynamics.wrap(positions)

    def reflect(self, positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
        return self.dynamics.reflect(positions, velocities)
