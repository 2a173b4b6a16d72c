"""Sums of distances in several dimensions, as averages of sums of one-dimensional distances over directions θ:

    ``|δ| = c_d E |⟨θ, δ⟩|``,  hence  ``Σ wⱼ |x − yⱼ| ≈ c_d/P Σ_θ Σⱼ wⱼ |⟨θ, x⟩ − ⟨θ, yⱼ⟩|``.

Each of the P one-dimensional sums takes a sort (Rabin et al., 2012; Hertrich et al., Generative sliced MMD flows with
Riesz kernels, 2024). They are linear between the points: their own second derivatives by points vanish and say nothing
of those of the distance, which are therefore refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interflow.errors import BackendError
from interflow.sums.sorted.passes import sliced_form, sliced_sums


@dataclass(frozen=True, eq=False)
class Slices:
    """The sums ``uᵢ = Σⱼ wⱼ k(xᵢ − yⱼ)`` of ``k = s |δ|``, by slices.

    Attributes:
        scale: s, a number or a 0-d tensor.
        directions: ``(P, d)``, float64.
        x: ``(batch, d, N)``.
        y: ``(batch, d, M)``.
        weights: ``(batch, 1, M)``.
    """

    scale: Tensor | float
    directions: Tensor
    x: Tensor
    y: Tensor
    weights: Tensor

    def potential(self) -> Tensor:
        """u, ``(batch, 1, N)``."""
        total: Tensor = _SlicedPotential.apply(self.x, self.y, self.weights, self.directions)
        return self.scale * total

    def gradient(self) -> Tensor:
        """``∇u``, ``(batch, d, N)``."""
        total = sliced_sums(self.x, self.y, self.weights, self.directions, potential=False, gradient=True)
        return self.scale * _final(total.gradient, self.x, self.y, self.weights)

    def form(self) -> Tensor:
        """``Σᵢⱼ wᵢ wⱼ k(xᵢ − xⱼ)``, ``(batch,)``, where the rows are the columns."""
        value: Tensor = _SlicedForm.apply(self.x, self.weights, self.directions)
        return -self.scale * value


class _SlicedPotential(torch.autograd.Function):
    """``Σ wⱼ |x − yⱼ|`` by slices, ``(batch, 1, N)``; differentiable once."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, weights: Tensor, directions: Tensor) -> Tensor:
        return sliced_sums(x, y, weights, directions, potential=True, gradient=False).potential

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        x, y, weights, directions = ctx.saved_tensors
        by_x, by_y, by_weights = ctx.needs_input_grad[:3]
        gradients: list[Tensor | None] = [None] * 4
        if by_x:
            there = sliced_sums(x, y, weights, directions, potential=False, gradient=True)
            gradients[0] = (cotangent * _final(there.gradient, x, y, weights)).to(x.dtype)
        if by_y or by_weights:
            back = sliced_sums(y, x, cotangent, directions, potential=by_weights, gradient=by_y)
            if by_y:
                gradients[1] = (weights * _final(back.gradient, x, y, cotangent)).to(y.dtype)
            if by_weights:
                gradients[2] = _final(back.potential, x, y, cotangent).to(weights.dtype)
        return tuple(gradients)


class _SlicedForm(torch.autograd.Function):
    """``−Σ wᵢ wⱼ |zᵢ − zⱼ|`` by slices, ``(batch,)``, with its gradients from the same sorts; differentiable once."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, weights: Tensor, directions: Tensor) -> Tensor:
        by_points, by_weights = ctx.needs_input_grad[:2]
        value, sums = sliced_form(points, weights, directions, potential=by_weights, gradient=by_points)
        ctx.save_for_backward(points, weights, *sums)
        return value

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        points, weights, potential, gradient = ctx.saved_tensors
        by_points, by_weights = ctx.needs_input_grad[:2]
        factor = -2.0 * cotangent[:, None, None]
        return (
            (factor * weights * _final(gradient, points, weights)).to(points.dtype) if by_points else None,
            (factor * _final(potential, points, weights)).to(weights.dtype) if by_weights else None,
            None,
        )


def _final(value: Tensor, *others: Tensor) -> Tensor:
    """The value, which depends on the others in a way that is not differentiated."""
    result: Tensor = _Final.apply(value, *others)
    return result


class _Final(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, *others: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        raise BackendError(
            "Sums by slices are differentiated once: between the points a slice is linear, and its second derivative "
            "is not that of the distance. Take the backend dense or compiled."
        )
