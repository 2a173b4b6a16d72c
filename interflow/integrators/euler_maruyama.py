"""The Euler–Maruyama method."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.integrators.base import Dynamics, Integrator, non_negative
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class EulerMaruyama(Integrator):
    """Overdamped Langevin dynamics ``dx = v(x) dt + √(2T) dW`` by ``x ← wrap(x + h v(x) + √(2Th) ξ)``, ξ normal.

    The noise of a particle does not depend on its weight. Being additive, it gives order 1, weakly and strongly
    (Maruyama, 1955; Kloeden & Platen, 1992, 10.3).

    Args:
        step_size: h, a time.
        temperature: T ≥ 0, in units of the energy for a unit mass.
        learnable: make h an ``nn.Parameter``.

    Raises:
        ArgumentError: at the first step, if the system has no generator to draw from.

    Example:
        >>> EulerMaruyama(step_size=0.01, temperature=0.5).temperature.item()
        0.5
    """

    temperature: Tensor

    def __init__(self, step_size: float, temperature: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.step_size = PositiveParameter(step_size, learnable=learnable)
        self.register_buffer("temperature", non_negative("temperature", temperature))

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        drift = self.step_size.to(state.positions.dtype) * dynamics.velocity(state)
        amplitude = (2.0 * self.temperature * self.step_size).sqrt().to(state.positions.dtype)
        positions = state.positions + drift + amplitude * _standard_normal(state.positions, generator)
        return state.replace(positions=dynamics.wrap(positions), time=state.time + self.step_size, step=state.step + 1)


def _standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Independent normal numbers, drawn where the generator lives."""
    if generator is None:
        remedy = "Give one: ParticleSystem(..., generator=torch.Generator().manual_seed(0))."
        raise ArgumentError("generator", came=None, wanted="a torch.Generator for the noise", remedy=remedy)
    noise = torch.randn(like.shape, generator=generator, dtype=like.dtype, device=generator.device)
    return noise.to(like.device)
