"""Mini-batches: each step sees some points of the target, drawn by their weights, so that its velocity is unbiased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.energies import DiscrepancyEnergy
from interflow.fitting.starts import systematic
from interflow.integrators.base import Dynamics, Integrator
from interflow.state import State


@final
class MiniBatches(Integrator):
    """An integrator that is drawn to a new part of the target at each step.

    Args:
        inner: what makes the steps.
        energy: the energy of the whole target.
        size: points of a batch.
    """

    def __init__(self, inner: Integrator, energy: DiscrepancyEnergy, size: int) -> None:
        super().__init__()
        self.inner = inner
        self.energy = energy
        self.size = size

    def init(self, state: State) -> State:
        return self.inner.init(state)

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        target, weights = self.energy.target, self.energy.target_weights
        noise = torch.default_generator if generator is None else generator
        if weights is None:
            chosen = torch.randint(len(target), (self.size,), generator=noise, device=noise.device).to(target.device)
        else:
            chosen = systematic(self.size, weights, noise)
        batch = DiscrepancyEnergy(self.energy.discrepancy, target[chosen])
        return self.inner.step(state, _Batch(dynamics, batch), generator)


@dataclass(frozen=True)
class _Batch:
    """Dynamics with another energy, in the same domain."""

    dynamics: Dynamics
    energy: DiscrepancyEnergy

    def velocity(self, state: State) -> Tensor:
        return self.energy.velocity(state.positions, state.weights)

    def wrap(self, positions: Tensor) -> Tensor:
        return self.dynamics.wrap(positions)

    def reflect(self, positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
        return self.dynamics.reflect(positions, velocities)
