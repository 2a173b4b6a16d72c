"""Weights that are learned on the simplex.

Mirror descent with the entropy, ``aᵢ ← aᵢ exp(−η gᵢ) / Σⱼ aⱼ exp(−η gⱼ)`` with ``g = ∂E/∂a`` (Nemirovsky and Yudin,
1983; Kivinen and Warmuth, 1997), keeps them positive and their sum 1.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from interflow.energies import Energy
from interflow.integrators.base import Dynamics, Integrator
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class Reweighting(Integrator):
    """An integrator that also moves mass from particle to particle, after each step.

    Args:
        inner: what moves the particles.
        energy: E, as a function of positions and weights.
        rate: η, one over an energy.
    """

    def __init__(self, inner: Integrator, energy: Energy, rate: float) -> None:
        super().__init__()
        self.inner = inner
        self.energy = energy
        self.rate = PositiveParameter(rate)

    def init(self, state: State) -> State:
        return self.inner.init(state)

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        state = self.inner.step(state, dynamics, generator)
        slope = self._slope(state.positions.detach(), state.weights.detach())
        weights = torch.softmax(state.weights.log() - self.rate.to(slope.dtype) * slope, dim=0)
        return state.replace(weights=weights)

    @torch.enable_grad()
    def _slope(self, positions: Tensor, weights: Tensor) -> Tensor:
        leaf = weights.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.energy(positions, leaf), leaf)
        return slope
