"""What is measured of a state, as a tensor: scalars and short arrays that say how a run goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.discrepancies import Discrepancy
from interflow.energies import Energy
from interflow.errors import ArgumentError
from interflow.state import State
from interflow.validation import is_count

_PAIRS = 1 << 20
"""Pairs of points that are looked at together."""


class Observable(ABC):
    """A function of a state. Any function will do where one is asked for; these have names in configs.

    Example:
        >>> class Centre(Observable):
        ...     def __call__(self, state):
        ...         return state.weights @ state.positions
        >>> Centre()(State(torch.tensor([[0.0], [2.0]]), torch.tensor([0.5, 0.5])))
        tensor([1.])
    """

    @abstractmethod
    def __call__(self, state: State) -> Tensor:
        """The value, of the same shape at every state of a run."""


@final
class EnergyOf(Observable):
    """``E`` of the state, or of a part of the energy.

    Args:
        energy: what is evaluated.

    Example:
        >>> from interflow import ExternalEnergy
        >>> well = ExternalEnergy(lambda x: x.square().sum(-1))
        >>> EnergyOf(well)(State(torch.tensor([[2.0], [0.0]]), torch.tensor([0.5, 0.5])))
        tensor(2.)
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy

    def __call__(self, state: State) -> Tensor:
        return self.energy(*self.energy.arguments(state.positions, state.weights, state.features))


@final
class MeanSpeed(Observable):
    """``Σᵢ aᵢ|vᵢ| / Σᵢ aᵢ``: zero where the flow stands still. Costs a velocity where the motion is of first order.

    Args:
        energy: whose flow moves the particles.

    Example:
        >>> from interflow import ExternalEnergy
        >>> well = ExternalEnergy(lambda x: 0.5 * x.square().sum(-1))
        >>> MeanSpeed(well)(State(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([0.5, 0.5])))
        tensor(2.5000)
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy

    def __call__(self, state: State) -> Tensor:
        velocities = state.velocities
        if velocities is None:
            velocities = self.energy.velocity(*self.energy.arguments(state.positions, state.weights, state.features))
        speeds: Tensor = velocities.norm(dim=-1)
        return state.weights @ speeds / state.weights.sum()


@final
class DiscrepancyTo(Observable):
    """How far the cloud is from a target, such as the squared MMD.

    Args:
        discrepancy: between the two measures.
        target: ``(M, d)``.
        target_weights: ``(M,)``; None for 1/M.

    Example:
        >>> from interflow import EnergyDistance
        >>> distance = DiscrepancyTo(EnergyDistance(), target=torch.ones(3, 1))
        >>> distance(State(torch.zeros(2, 1), torch.tensor([0.5, 0.5])))
        tensor(2.)
    """

    def __init__(self, discrepancy: Discrepancy, target: Tensor, target_weights: Tensor | None = None) -> None:
        self.discrepancy = discrepancy
        self.target = target
        self.target_weights = target_weights

    def __call__(self, state: State) -> Tensor:
        return self.discrepancy(state.positions, self.target, state.weights, self.target_weights)


@final
class PairDistances(Observable):
    """The histogram of the distances ``|δ(xᵢ, xⱼ)|``, i < j: ``(bins,)``, the fraction of all pairs in each bin.

    It takes time N² and memory N.

    Args:
        bins: how many, of equal width, from 0 on.
        max_distance: where the last one ends; pairs that are further apart are in none.
        boundary: the domain.

    Example:
        >>> corner = State(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]), torch.ones(3) / 3)
        >>> PairDistances(bins=3, max_distance=6.0)(corner)
        tensor([0.0000, 0.3333, 0.6667])
    """

    def __init__(self, bins: int, max_distance: float, *, boundary: Boundary | None = None) -> None:
        if not is_count(bins, at_least=1):
            raise ArgumentError("bins", came=repr(bins), wanted="an integer ≥ 1")
        if not 0.0 < max_distance < float("inf"):
            raise ArgumentError("max_distance", came=repr(max_distance), wanted="a positive number")
        self.bins = bins
        self.max_distance = max_distance
        self.boundary = OpenBoundary() if boundary is None else boundary

    def __call__(self, state: State) -> Tensor:
        positions, count = state.positions, len(state.positions)
        found = torch.zeros(self.bins + 1, dtype=torch.int64, device=positions.device)
        block = max(1, _PAIRS // max(count, 1))
        for start in range(0, count, block):
            rows = torch.arange(start, min(start + block, count), device=positions.device)
            distances = self.boundary.displacement(positions[rows, None], positions[None]).norm(dim=-1)
            later = rows[:, None] < torch.arange(count, device=positions.device)
            bins = (distances[later] * (self.bins / self.max_distance)).clamp(max=self.bins).long()
            found += torch.bincount(bins, minlength=self.bins + 1)
        return found[:-1].to(positions.dtype) / max(count * (count - 1) // 2, 1)


@final
class FourierMode(Observable):
    """``|Σⱼ aⱼ exp(2πi m·xⱼ / L)|``, the order parameter of a density wave.

    It is 1 where all particles lie on the wave's planes, and about N^(−½) at random; with m = 1 in one dimension it is
    the order parameter of Kuramoto (1975).

    Args:
        mode: m, a whole number an axis.
        lengths: L, the period, a number or one an axis.

    Example:
        >>> FourierMode(mode=[2])(State(torch.tensor([[0.0], [0.5]]), torch.tensor([0.5, 0.5])))
        tensor(1.)
    """

    def __init__(self, mode: Sequence[float], lengths: float | Tensor = 1.0) -> None:
        self.mode = torch.tensor(mode, dtype=torch.float64)
        self.lengths = torch.as_tensor(lengths, dtype=torch.float64)

    def __call__(self, state: State) -> Tensor:
        if len(self.mode) != state.positions.shape[1]:
            wanted = f"{state.positions.shape[1]}, one an axis of the cloud"
            raise ArgumentError("mode", came=f"{len(self.mode)} numbers", wanted=wanted)
        phases = 2.0 * torch.pi * (state.positions.double() @ (self.mode / self.lengths).to(state.positions.device))
        weights = state.weights.double()
        parts = torch.stack([weights @ phases.cos(), weights @ phases.sin()])
        amplitude: Tensor = parts.norm()
        return amplitude.to(state.positions.dtype)


@final
class Polarisation(Observable):
    """``|Σᵢ aᵢ vᵢ/|vᵢ|| / Σᵢ aᵢ``: 1 where all move the same way, ~0 where none agree (Vicsek et al., 1995).

    Args:
        energy: whose flow moves the particles, for a motion of first order.
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy

    def __call__(self, state: State) -> Tensor:
        velocities = state.velocities
        if velocities is None:
            velocities = self.energy.velocity(*self.energy.arguments(state.positions, state.weights, state.features))
        mean: Tensor = (state.weights @ torch.nn.functional.normalize(velocities, dim=-1)).norm()
        return mean / state.weights.sum()
