"""What lies to the left and to the right of every point, on the line and on the circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor

from interflow.boundaries import PeriodicBoundary
from interflow.sums.sorted.order import Order, Ties
from interflow.sums.sorted.profile import Profile
from interflow.sums.sorted.scan import States, carried, running


@dataclass(frozen=True)
class Circle:
    """A circle.

    Attributes:
        length: its length L.
        lower: where its coordinate begins.
        all_images: whether a point counts at all of its images; otherwise at the nearest one, at a distance of L/2 at
            most.
    """

    length: float
    lower: float
    all_images: bool

    @classmethod
    def of(cls, boundary: PeriodicBoundary) -> Circle:
        """The circle that a periodic boundary is on a line."""
        return cls(float(boundary.lengths.detach()), float(boundary.lower.detach()), boundary.images == "all")

    def wrapped(self, points: Tensor) -> Tensor:
        """Coordinates from 0 to L, in float64."""
        folded = torch.remainder(points.double() - self.lower, self.length)
        return torch.where(folded >= self.length, 0.0, folded)  # where rounding made a whole period of −1e-20

    def around(self, side: _Side) -> States:
        """What the images of the points in earlier rounds add to the states of one side, less what is too far off.

        A round of all points leaves the state Z behind it. All rounds together leave ``Z + T Z + T² Z + …``, which is
        ``(1 − T)⁻¹ Z`` with T the carrying over one period. With nearest images one round before is enough, and
        what lies beyond half a period, the state at ``x − L/2`` carried to x, is taken off.
        """
        length, points = side.rate * self.length, side.scaled(side.positions)
        behind = carried([state[..., -1:] for state in side.states], length - points[..., -1:], side.decaying)
        if self.all_images:
            return carried(_summed_rounds(behind, length), points, side.decaying)
        added = carried(behind, points, side.decaying)
        beyond = carried(self._half_a_period_before(side, behind), 0.5 * length, side.decaying)
        return [more - less for more, less in zip(added, beyond, strict=True)]

    def _half_a_period_before(self, side: _Side, behind: States) -> States:
        """The states at ``x − L/2``, of all points before; one at exactly half a period counts on one side alone."""
        places = side.positions - 0.5 * self.length
        earlier = places < side.positions[..., :1]
        again = torch.where(earlier, side.positions + 0.5 * self.length, places)
        limit = torch.where(earlier, torch.nextafter(again, torch.full_like(again, torch.inf)), again)
        count = torch.searchsorted(side.positions, limit)
        within = _states_of_first(count, again, side)
        over = carried(behind, side.scaled(places).clamp(min=0.0), side.decaying)
        return [a + torch.where(earlier[:, None], 0.0, b) for a, b in zip(within, over, strict=True)]


class _Side(NamedTuple):
    """The sorted points in one of the two directions, ``(batch, K)``, with their states."""

    positions: Tensor
    rate: Tensor
    states: States
    decaying: bool

    def scaled(self, positions: Tensor) -> Tensor:
        """Positions of a circle, times λ and counted from the first point, ``(batch, 1, n)``."""
        return (self.rate * (positions - self.positions[..., :1]))[:, None]


class _View(NamedTuple):
    """The sorted points with their masses, in one of the two directions."""

    positions: Tensor
    masses: Tensor
    ties: Ties | None
    rate: Tensor
    degree: int
    decaying: bool

    def mirrored(self) -> _View:
        """In the other direction."""
        ties = None if self.ties is None else self.ties.mirrored(self.positions.shape[-1])
        return self._replace(positions=-self.positions.flip(-1), masses=self.masses.flip(-1), ties=ties)

    def side(self) -> _Side:
        """With the running states."""
        states = running(self.positions[:, None], self.rate, self.masses, self.degree, self.decaying)
        return _Side(self.positions, self.rate, states, self.decaying)


def sorted_sums(
    order: Order, weights: Tensor, rate: Tensor, profiles: Sequence[Profile], circle: Circle | None
) -> Tensor:
    """``Σⱼ w_cⱼ f_c(xᵢ − yⱼ)``, float64, shape ``(batch, channels, N)``.

    Args:
        order: of the rows x and the columns y.
        weights: ``(batch, channels, M)``, float64.
        rate: λ, a 0-d float64 tensor.
        profiles: f, one a channel, all of them decaying or none.
        circle: the circle that the points are on; None for the line.
    """
    degree, decaying = max(profile.degree for profile in profiles), profiles[0].decaying
    if degree < 0 or 0 in weights.shape:
        return weights.new_zeros(*weights.shape[:2], order.positions[..., order.rows].shape[-1])
    masses = order.spread(weights)
    view = _View(order.positions, masses, order.ties, rate, degree, decaying)
    left, with_ties = _before(view, circle)
    right = [state.flip(-1) for state in _before(view.mirrored(), circle)[0]]
    totals = torch.zeros_like(masses)
    for channel, profile in enumerate(profiles):
        before = left if profile.odd else [with_ties, *left[1:]]
        for coefficient, nearer, farther in zip(profile.coefficients, before, right, strict=False):
            if coefficient:
                totals[:, channel] += coefficient * (nearer + profile.parity * farther)[:, channel]
    return order.collect(totals)


def _before(view: _View, circle: Circle | None) -> tuple[States, Tensor]:
    """The states of all points strictly before each one; and that of order 0 with the points at the same place."""
    side = view.side()
    step = view.rate * view.positions.diff(dim=-1, prepend=view.positions[..., :1])[:, None]
    before = carried([_delayed(state) for state in side.states], step, side.decaying)
    with_ties = side.states[0]
    if view.ties is not None:
        before = [view.ties.at_first(state) for state in before]
        with_ties = view.ties.at_last(with_ties)
    if circle is None:
        return before, with_ties
    around = circle.around(side)
    return [state + more for state, more in zip(before, around, strict=True)], with_ties + around[0]


def _delayed(state: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(state[..., :1]), state[..., :-1]], -1)


def _states_of_first(count: Tensor, positions: Tensor, side: _Side) -> States:
    """The states of the first ``count`` sorted points, carried to other positions; both ``(batch, n)``."""
    index = (count - 1).clamp(min=0)
    step = side.rate * (positions - side.positions.gather(-1, index)).clamp(min=0.0)[:, None]
    kept = [state.gather(-1, index[:, None].expand(-1, state.shape[1], -1)) for state in side.states]
    return [torch.where(count[:, None] > 0, state, 0.0) for state in carried(kept, step, side.decaying)]


def _summed_rounds(behind: States, length: Tensor) -> States:
    """``(1 − T)⁻¹ Z`` by forward substitution; ``T_mq = C(m, q) τᵐ⁻ᑫ e^{−τ}``."""
    summed: States = []
    for order, state in enumerate(behind):
        total = state
        for lower, done in enumerate(summed):
            total = total + comb(order, lower) * length ** (order - lower) * (-length).exp() * done
        summed.append(total / -(-length).expm1())
    return summed
