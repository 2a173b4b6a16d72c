"""Sums over sorted points as a function that can be differentiated to any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from interflow.sums.sorted.order import Order
from interflow.sums.sorted.profile import Profile
from interflow.sums.sorted.sides import Circle, sorted_sums


@dataclass(frozen=True, eq=False)
class Plan:
    """What is summed, apart from tensors that a derivative may be wanted of.

    Attributes:
        order: of the points.
        profiles: f, one a channel.
        circle: the circle that the points are on; None for the line.
    """

    order: Order
    profiles: tuple[Profile, ...]
    circle: Circle | None

    @property
    def parities(self) -> list[float]:
        """``f(−δ) / f(δ)`` by channel."""
        return [profile.parity for profile in self.profiles]

    def swapped(self) -> Plan:
        """The sums over the rows, at the columns, of ``f(y − x)``."""
        return replace(self, order=self.order.swapped())

    def derivative(self) -> Plan:
        """The sums of ``f'(δ) / λ``."""
        return replace(self, profiles=tuple(profile.derivative() for profile in self.profiles))

    def by_rate(self) -> Plan:
        """The sums of ``λ ∂f/∂λ``."""
        return replace(self, profiles=tuple(profile.by_rate() for profile in self.profiles))


class SortedSum(torch.autograd.Function):
    """``out_c(i) = Σⱼ w_cⱼ f_c(xᵢ − yⱼ)``. Each of its derivatives is again such a sum, over points sorted already."""

    @staticmethod
    def forward(plan: Plan, x: Tensor, y: Tensor, weights: Tensor, rate: Tensor) -> Tensor:
        """The sums.

        Args:
            plan: what is summed.
            x: ``(batch, N)``, float64, the rows that are sorted in the plan.
            y: ``(batch, M)``, float64, its columns.
            weights: ``(batch, channels, M)``, float64.
            rate: λ, a 0-d float64 tensor.

        Returns:
            ``(batch, channels, N)``.
        """
        return sorted_sums(plan.order, weights, rate, plan.profiles, plan.circle)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.plan = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        plan: Plan = ctx.plan
        x, y, weights, rate = ctx.saved_tensors
        by_x, by_y, by_weights, by_rate = ctx.needs_input_grad[1:]
        gradients: list[Tensor | None] = [None] * 5
        slope = plan.derivative()
        if by_x:
            gradients[1] = rate * (cotangent * SortedSum.apply(slope, x, y, weights, rate)).sum(1)
        if by_y:  # f'(x − y) = ± f'(y − x)
            pull = SortedSum.apply(slope.swapped(), y, x, cotangent, rate) * _column(slope.parities, cotangent)
            gradients[2] = -rate * (weights * pull).sum(1)
        if by_weights:
            total = SortedSum.apply(plan.swapped(), y, x, cotangent, rate)
            gradients[3] = total * _column(plan.parities, cotangent)
        if by_rate:
            total = SortedSum.apply(plan.by_rate(), x, y, weights, rate)
            gradients[4] = (cotangent * total).sum() / rate
        return tuple(gradients)


def _column(values: list[float], like: Tensor) -> Tensor:
    return like.new_tensor(values)[:, None]
