"""``Σ wᵢ wⱼ f(zᵢ − zⱼ)`` of one cloud of the line, with its derivatives from the same sort."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interflow.sums.sorted.distance import energies
from interflow.sums.sorted.function import Plan, SortedSum
from interflow.sums.sorted.profile import DISTANCE
from interflow.sums.sorted.scan import cumulative
from interflow.sums.sorted.sides import sorted_sums


class SortedForm(torch.autograd.Function):
    """The form of an even f, ``(batch,)``: its derivatives by points and weights are ``2 wᵢ uᵢ'`` and ``2 uᵢ``."""

    @staticmethod
    def forward(plan: Plan, points: Tensor, weights: Tensor, rate: Tensor) -> Tensor:
        """The form.

        Args:
            plan: with one profile, and the points as rows and columns.
            points: z, ``(batch, K)``, float64.
            weights: w, ``(batch, 1, K)``, float64.
            rate: λ, a 0-d float64 tensor.
        """
        if plan.profiles == (DISTANCE,) and plan.circle is None:
            return -rate * energies(plan.order, cumulative(plan.order.spread(weights)[:, 0]))
        total = sorted_sums(plan.order, weights, rate, plan.profiles, plan.circle)
        return (weights * total).sum((1, 2))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.plan = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        plan: Plan = ctx.plan
        points, weights, rate = ctx.saved_tensors
        by_points, by_weights, by_rate = ctx.needs_input_grad[1:]
        gradients: list[Tensor | None] = [None] * 4
        doubled = 2.0 * cotangent[:, None, None]
        if by_points:
            slope = SortedSum.apply(plan.derivative(), points, points, weights, rate)
            gradients[1] = (doubled * rate * weights * slope)[:, 0]
        if by_weights:
            gradients[2] = doubled * SortedSum.apply(plan, points, points, weights, rate)
        if by_rate:
            total = SortedSum.apply(plan.by_rate(), points, points, weights, rate)
            gradients[3] = (cotangent * (weights * total).sum((1, 2))).sum() / rate
        return tuple(gradients)
