"""Distances of sorted points by cumulative masses.

With ``C(z)`` the mass of all points up to z and W that of all, the potential ``u(z) = Σ wₗ |z − zₗ|`` is linear between
neighbours, with slope ``2C − W``, and

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
    rise = order.positions.diff(dim=-1) * (2.0 * up_to[..., :-1] - up_to[..., -1:])
    at_first = (masses * (order.positions - order.positions[..., :1])).sum(-1, keepdim=True)
    return torch.cat([at_first, at_first + cumulative(rise)], -1)


def energies(order: Order, up_to: Tensor) -> Tensor:
    """``−Σ wᵢ wⱼ |zᵢ − zⱼ|``, shape ``(batch,)``; never negative where the masses add up to 0 exactly."""
    mass = up_to[..., :-1]
    return 2.0 * (order.positions.diff(dim=-1) * mass * (mass - up_to[..., -1:])).sum(-1)
