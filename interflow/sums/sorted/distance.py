"""Distances of sorted points by cumulative masses.

With ``C(z)`` the mass of all points up to z and W that of all, the potential ``u(z) = Σ wₗ |z − zₗ|`` is linear between
neighbours, with slope ``2C − W``, the sum of what rises from the left and what rises from the right, and

    ``−Σ wᵢ wⱼ |zᵢ − zⱼ| = 2 ∫ C (C − W) dz``,

which for W = 0, the difference of two measures of equal mass, is a sum of squares (Székely and Rizzo, 2004).
"""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.sums.sorted.order import Order
from interflow.sums.sorted.scan import cumulative


def slopes(order: Order, masses: Tensor, up_to: Tensor) -> Tensor:
    """``u'`` at the sorted points, ``Σ wₗ sign(z − zₗ)``, where equal positions do not count.

    Args:
        order: of the points.
        masses: of the sorted points, ``(batch, K)``.
        up_to: C, their cumulative sums.
    """
    rise = 2.0 * up_to
    rise -= masses
    rise -= up_to[..., -1:]
    if order.ties is not None:
        batch, place, first, last = order.ties
        around = up_to[batch, first] - masses[batch, first] + up_to[batch, last]
        rise[batch, place] = around - up_to[batch, -1]
    return rise


def potentials(order: Order, masses: Tensor, up_to: Tensor) -> Tensor:
    """u at the sorted points, ``(batch, K)``."""
    steps, none = order.positions.diff(dim=-1), torch.zeros_like(up_to[..., :1])
    from_on = cumulative(masses.flip(-1))  # not W − C, which beyond the last mass is round-off, times the way to there
    before = cumulative(steps * up_to[..., :-1])
    behind = cumulative(steps.flip(-1) * from_on[..., :-1])
    return torch.cat([none, before], -1) + torch.cat([none, behind], -1).flip(-1)


def energies(order: Order, up_to: Tensor) -> Tensor:
    """``−Σ wᵢ wⱼ |zᵢ − zⱼ|``, shape ``(batch,)``; never negative where the masses add up to 0 exactly."""
    mass = up_to[..., :-1]
    return 2.0 * (order.positions.diff(dim=-1) * mass * (mass - up_to[..., -1:])).sum(-1)
