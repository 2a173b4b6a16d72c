"""Explicit Runge–Kutta methods.

``kᵢ = v(t + cᵢh, x + h Σⱼ aᵢⱼkⱼ)`` and ``x ← wrap(x + h Σᵢ bᵢkᵢ)`` (Hairer, Nørsett & Wanner, 1993, II.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from interflow.integrators.base import Dynamics, Integrator
from interflow.integrators.tableau import Tableau
from interflow.parameters import PositiveParameter
from interflow.state import State


class ExplicitRungeKutta(Integrator, ABC):
    """A Runge–Kutta method with steps of one size. A subclass is its tableau.

    Args:
        step_size: h, a time.
        learnable: make h an ``nn.Parameter``, to be learned through rollouts.

    Example:
        >>> class Midpoint(ExplicitRungeKutta):
        ...     tableau = Tableau(a=((), (0.5,)), b=(0.0, 1.0), order=2)
        >>> Midpoint(step_size=0.1).step_size.item()
        0.1
    """

    def __init__(self, step_size: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.step_size = PositiveParameter(step_size, learnable=learnable)

    @property
    @abstractmethod
    def tableau(self) -> Tableau:
        """The coefficients of the method."""

    @final
    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        slopes = stages(self.tableau, state, self.step_size, dynamics, dynamics.velocity(state))
        positions = moved(state.positions, slopes, self.tableau.b, self.step_size)
        time = state.time + self.step_size
        return state.replace(positions=dynamics.wrap(positions), time=time, step=state.step + 1)


def stages(tableau: Tableau, state: State, step_size: Tensor, dynamics: Dynamics, first: Tensor) -> list[Tensor]:
    """The velocities kᵢ of a step, each ``(N, d)``; ``first`` is the one at the state itself."""
    slopes = [first]
    for row, fraction in zip(tableau.a[1:], tableau.c[1:], strict=True):
        positions = moved(state.positions, slopes, row, step_size)
        slopes.append(dynamics.velocity(state.replace(positions=positions, time=state.time + fraction * step_size)))
    return slopes


def moved(positions: Tensor, slopes: Sequence[Tensor], coefficients: Sequence[float], step_size: Tensor) -> Tensor:
    """``x + h Σᵢ cᵢkᵢ``, the sum first, so that x is rounded once."""
    return positions + step_size.to(positions.dtype) * combination(slopes, coefficients)


def combination(slopes: Sequence[Tensor], coefficients: Sequence[float]) -> Tensor:
    """``Σᵢ cᵢkᵢ``."""
    total = coefficients[0] * slopes[0]
    for coefficient, slope in zip(coefficients[1:], slopes[1:], strict=True):
        if coefficient:
            total = total.add(slope, alpha=coefficient)
    return total
