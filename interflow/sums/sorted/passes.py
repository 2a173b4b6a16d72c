"""Passes over directions: the points are projected and sorted, and one-dimensional sums of distances added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor

from interflow.sums.sorted.directions import projection_constant
from interflow.sums.sorted.distance import energies, potentials, slopes
from interflow.sums.sorted.order import Order
from interflow.sums.sorted.scan import cumulative

_AT_ONCE: Final = 2**19
"""Projected points that are worked on at one time: they stay in the cache."""


class Sliced(NamedTuple):
    """Sums of distances ``u = Σ wⱼ |x − yⱼ|``, where they were asked for.

    Attributes:
        potential: ``(batch, 1, N)``.
        gradient: ``∇u``, ``(batch, d, N)``.
    """

    potential: Tensor
    gradient: Tensor


@torch.no_grad()
def sliced_sums(
    x: Tensor, y: Tensor, weights: Tensor, directions: Tensor, *, potential: bool, gradient: bool
) -> Sliced:
    """The potential and the gradient of ``Σ wⱼ |x − yⱼ|``, in float64; what is not asked for is 0.

    Args:
        x: ``(batch, d, N)``.
        y: ``(batch, d, M)``.
        weights: ``(batch, 1, M)``, of any sign.
        directions: ``(P, d)``, float64.
        potential: whether u is wanted.
        gradient: whether ``∇u`` is.
    """
    total = _nothing(x)
    if x.numel() == 0 or y.numel() == 0:
        return total
    scale = projection_constant(x.shape[1]) / len(directions)
    for part in _slices(x, y, weights, directions):
        part.add_to(total, scale, potential, gradient)
    return total


def _nothing(x: Tensor) -> Sliced:
    batch, dimension, count = x.shape
    return Sliced(*(x.new_zeros(batch, size, count, dtype=torch.float64) for size in (1, dimension)))


@torch.no_grad()
def sliced_form(
    points: Tensor, weights: Tensor, directions: Tensor, *, potential: bool, gradient: bool
) -> tuple[Tensor, Sliced]:
    """``−Σ wᵢ wⱼ |zᵢ − zⱼ|``, ``(batch,)``, and the sums ``u = Σ wⱼ |z − zⱼ|`` from the same sorts, in float64.

    Args:
        points: z, ``(batch, d, K)``.
        weights: w, ``(batch, 1, K)``, of any sign.
        directions: ``(P, d)``, float64.
        potential: whether u is wanted.
        gradient: whether ``∇u`` is.
    """
    value = points.new_zeros(len(points)).double()
    total = _nothing(points)
    if points.numel() == 0:
        return value, total
    scale = projection_constant(points.shape[1]) / len(directions)
    for part in _slices(points, points, weights, directions):
        value.add_(energies(part.order, part.up_to).view(len(points), -1).sum(1), alpha=scale)
        part.add_to(total, scale, potential, gradient)
    return value, total


@torch.no_grad()
def sliced_energies(points: Tensor, weights: Tensor, directions: Tensor) -> Tensor:
    """``−c_d Σ wᵢ wⱼ |⟨θ, zᵢ − zⱼ⟩|`` for each direction, ``(batch, P)``; arguments as of `sliced_form`."""
    parts = [energies(part.order, part.up_to) for part in _slices(points, points, weights, directions)]
    by_direction = [part.view(len(points), -1) for part in parts]
    return torch.cat(by_direction, 1) * projection_constant(points.shape[1])


class _Slice(NamedTuple):
    """Some directions of one pass.

    Attributes:
        directions: ``(p, d)``.
        order: of the projected points, ``(batch · p, K)``.
        masses: of the sorted points, likewise.
        up_to: their cumulative sums.
    """

    directions: Tensor
    order: Order
    masses: Tensor
    up_to: Tensor

    def add_to(self, total: Sliced, scale: float, potential: bool, gradient: bool) -> None:
        """Add what these directions contribute."""
        if potential:
            heights = self._at_rows(potentials(self.order, self.masses, self.up_to))
            total.potential.add_(heights.sum(1, keepdim=True), alpha=scale)
        if gradient:
            steepness = self._at_rows(slopes(self.order, self.masses, self.up_to))
            total.gradient.add_(self.directions.mT @ steepness, alpha=scale)

    def _at_rows(self, values: Tensor) -> Tensor:
        """From the sorted points to the rows, ``(batch, p, N)``."""
        unsorted = self.order.collect(values[:, None])
        return unsorted.view(-1, len(self.directions), unsorted.shape[-1])


def _slices(x: Tensor, y: Tensor, weights: Tensor, directions: Tensor) -> Iterator[_Slice]:
    """Directions in groups that fit the memory, with the points sorted along each."""
    same = x.is_set_to(y)
    centre = centre_of_mass(y, weights)  # far from the origin, projections would lose digits
    centred = (y - centre).to(y.dtype)
    others = centred if same else (x - centre).to(x.dtype)
    together = x.shape[0] * (y.shape[-1] if same else x.shape[-1] + y.shape[-1])
    for some in directions.to(x.device).split(max(1, _AT_ONCE // together)):
        columns = _projected(centred, some)
        order = Order.of(columns if same else _projected(others, some), columns)
        masses = order.spread(_repeated(weights.double(), len(some)))[:, 0]
        yield _Slice(some, order, masses, cumulative(masses))


def centre_of_mass(points: Tensor, weights: Tensor) -> Tensor:
    """``Σ |wⱼ| yⱼ / Σ |wⱼ|``, ``(..., d, 1)`` in float64; padding without mass has no say in it."""
    shares = weights.detach().double().abs()
    total = (shares * points.detach().double()).sum(-1, keepdim=True)
    return total / shares.sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)


def _projected(points: Tensor, directions: Tensor) -> Tensor:
    """``⟨θ, x⟩``, ``(batch · p, N)``."""
    return (directions.to(points.dtype) @ points).flatten(0, 1)


def _repeated(weights: Tensor, times: int) -> Tensor:
    return weights[:, None].expand(-1, times, -1, -1).flatten(0, 1)
