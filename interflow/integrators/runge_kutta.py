"""Runge–Kutta methods: a tableau says all of a method, and one class makes its steps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations_with_replacement
from typing import final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.integrators.base import Dynamics, Integrator
from interflow.parameters import PositiveParameter
from interflow.state import State

Tree = tuple["Tree", ...]
Row = tuple[float, ...]


@dataclass(frozen=True)
class Tableau:
    """The coefficients of an explicit method, with an embedded one for an error estimate where there is one.

    Args:
        a: the rows of the strictly lower triangular matrix: row i has i entries, the first none.
        b: the weights of the stages.
        order: the order of the method, which is checked.
        embedded: the weights b̂ of a second method on the same stages; none by default.
        embedded_order: its order, which is checked.

    Raises:
        ArgumentError: if the shapes do not fit or an order condition does not hold.

    Example:
        >>> Tableau(a=((), (0.5,)), b=(0.0, 1.0), order=2).c
        (0, 0.5)
        >>> Tableau(a=((), (0.5,)), b=(0.5, 0.5), order=2)
        Traceback (most recent call last):
        interflow.errors.ArgumentError: `b`: got a method of order 1, wanted order 2.
    """

    a: tuple[Row, ...]
    b: Row
    order: int
    embedded: Row = ()
    embedded_order: int = 0

    def __post_init__(self) -> None:
        if [len(row) for row in self.a] != list(range(len(self.a))):
            came = f"rows of {[len(row) for row in self.a]} entries"
            raise ArgumentError("a", came=came, wanted="rows of 0, 1, 2, … entries")
        self._check("b", self.b, self.order)
        if self.embedded:
            self._check("embedded", self.embedded, self.embedded_order)

    @cached_property
    def c(self) -> Row:
        """The times of the stages, as fractions of a step."""
        return tuple(sum(row) for row in self.a)

    @property
    def error(self) -> Row:
        """The weights ``b − b̂`` of the difference between the method and the embedded one."""
        return tuple(b - other for b, other in zip(self.b, self.embedded, strict=True))

    @property
    def first_same_as_last(self) -> bool:
        """Whether the last stage is evaluated at the result, and so serves as the first of the next step."""
        return (*self.a[-1], 0.0) == self.b

    def _check(self, name: str, weights: Row, order: int) -> None:
        if len(weights) != len(self.a):
            raise ArgumentError(name, came=f"{len(weights)} weights", wanted=f"{len(self.a)}, one a stage")
        for nodes in range(1, order + 1):
            if not all(self._holds(weights, tree) for tree in _trees(nodes)):
                raise ArgumentError(name, came=f"a method of order {nodes - 1}", wanted=f"order {order}")

    def _holds(self, weights: Row, tree: Tree) -> bool:
        weighted = sum(b * phi for b, phi in zip(weights, self._elementary(tree), strict=True))
        return math.isclose(weighted * _density(tree), 1.0, rel_tol=1e-12)

    def _elementary(self, tree: Tree) -> Row:
        """Φᵢ(τ) for each stage i."""
        inner = [self._elementary(branch) for branch in tree]
        return tuple(math.prod(sum(map(float.__mul__, map(float, row), phi)) for phi in inner) for row in self.a)


@cache
def _trees(nodes: int) -> tuple[Tree, ...]:
    """The rooted trees of a number of nodes, each as the sorted tuple of its root's subtrees."""
    return tuple(sorted(set(_forests(nodes - 1, nodes - 1))))


def _forests(nodes: int, largest: int) -> Iterator[Tree]:
    """The multisets of trees of at most ``largest`` nodes with a number of nodes in all."""
    if nodes == 0:
        yield ()
    for size in range(1, min(nodes, largest) + 1):
        for count in range(1, nodes // size + 1):
            for chosen in combinations_with_replacement(_trees(size), count):
                for rest in _forests(nodes - size * count, size - 1):
                    yield (*rest, *chosen)


def _nodes(tree: Tree) -> int:
    return 1 + sum(map(_nodes, tree))


def _density(tree: Tree) -> int:
    """γ(τ)."""
    return _nodes(tree) * math.prod(map(_density, tree))


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
        tableau, step_size = self.tableau, self.step_size
        slopes = stages(tableau, state, step_size, dynamics, dynamics.velocity(state))
        positions = step_positions(state.positions, slopes, tableau.b, step_size)
        return state.replace(positions=dynamics.wrap(positions), time=state.time + step_size, step=state.step + 1)


def stages(tableau: Tableau, state: State, step_size: Tensor, dynamics: Dynamics, first: Tensor) -> list[Tensor]:
    """The velocities kᵢ of a step, each ``(N, d)``; ``first`` is the one at the state itself."""
    slopes = [first]
    for row, fraction in zip(tableau.a[1:], tableau.c[1:], strict=True):
        positions = step_positions(state.positions, slopes, row, step_size)
        slopes.append(dynamics.velocity(state.replace(positions=positions, time=state.time + fraction * step_size)))
    return slopes


def step_positions(
    positions: Tensor, slopes: Sequence[Tensor], coefficients: Sequence[float], step_size: Tensor
) -> Tensor:
    """``x + h Σᵢ cᵢkᵢ``, the sum first, so that x is rounded once."""
    return positions + step_size.to(positions.dtype) * weighted_slopes(slopes, coefficients)


def weighted_slopes(slopes: Sequence[Tensor], coefficients: Sequence[float]) -> Tensor:
    """``Σᵢ cᵢkᵢ``."""
    total = slopes[0] if coefficients[0] == 1.0 else coefficients[0] * slopes[0]
    for coefficient, slope in zip(coefficients[1:], slopes[1:], strict=True):
        if coefficient:
            total = total.add(slope, alpha=coefficient)
    return total
