"""What a fit wraps around its integrator: mini-batches, noise, learned weights, and steps that decay.

Descent whose steps fade, for velocities that are known up to noise, which momentum would add up.

``x ← x + hₙ v(x)`` with ``hₙ = h (1 − n/steps)``: small steps average the noise (Robbins and Monro, 1951).

Noise injection: the velocity is taken at positions that are shaken.

``x ← x + h v(x + β ξ)`` with ξ normal and β falling to 0 (Arbel, Korba, Salim and Gretton, Maximum mean discrepancy
gradient flow, 2019): points that no target is in reach of are brought within it.

Weights that are learned on the simplex.

Mirror descent with the entropy, ``aᵢ ← aᵢ exp(−η gᵢ) / Σⱼ aⱼ exp(−η gⱼ)`` with ``g = ∂E/∂a`` (Nemirovsky and Yudin,
1983; Kivinen and Warmuth, 1997), keeps them positive and their sum 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.energies import DiscrepancyEnergy, Energy
from interflow.fitting.initialisation import systematic_resampling
from interflow.integrators.base import Dynamics, Integrator, non_negative
from interflow.parameters import PositiveParameter
from interflow.state import State


@final
class MiniBatchIntegrator(Integrator):
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
            chosen = systematic_resampling(self.size, weights, noise)
        batch = DiscrepancyEnergy(self.energy.discrepancy, target[chosen])
        return self.inner.step(state, _MiniBatchDynamics(dynamics, batch), generator)


@dataclass(frozen=True)
class _MiniBatchDynamics:
    """Dynamics with another energy, in the same domain."""

    dynamics: Dynamics
    energy: DiscrepancyEnergy

    def velocity(self, state: State) -> Tensor:
        return self.energy.velocity(state.positions, state.weights)

    def wrap(self, positions: Tensor) -> Tensor:
        return self.dynamics.wrap(positions)

    def reflect(self, positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
        return self.dynamics.reflect(positions, velocities)


@final
class DecayingEuler(Integrator):
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


@final
class NoiseInjectionIntegrator(Integrator):
    """An integrator whose velocities are taken at ``x + β ξ``, with ``β = level · (1 − step/steps)``.

    Args:
        inner: what makes the steps.
        level: β at the start, a length.
        steps: steps after which there is no noise.
        before: steps that were made before those of the state, in earlier stages.
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
        return self.inner.step(state, _NoisyDynamics(dynamics, float(self.level) * left, generator), generator)


@dataclass(frozen=True)
class _NoisyDynamics:
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


@final
class MirrorDescentIntegrator(Integrator):
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
