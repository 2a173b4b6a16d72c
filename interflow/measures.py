"""Functionals of a discrete measure ``μ = Σ aᵢ δ_{xᵢ}`` and the velocity of their Wasserstein gradient flow,

    ``vᵢ = −∇(δE/δμ)(xᵢ) = −(1/aᵢ) ∂E/∂xᵢ``,

zero at a point of zero weight (Otto, 2001; Ambrosio, Gigli and Savaré, 2005). Weights of None are 1/N.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from interflow._torch_compat import is_transforming
from interflow.errors import ArgumentError


def weighted_sum(values: Tensor, weights: Tensor | None) -> Tensor:
    """``∫ f dμ = Σ aᵢ f(xᵢ)`` of the values ``f(xᵢ)``, over the last axis."""
    if weights is None:
        return values.sum(-1) / max(values.shape[-1], 1)
    return (weights * values).sum(-1)


def normalised_weights(weights: Tensor | None) -> Tensor | None:
    """Weights divided by their sum, over the last axis; None, which is 1/N, stays."""
    return None if weights is None else weights / weights.sum(-1, keepdim=True)


def value_and_velocity(
    functional: Callable[[Tensor], Tensor], positions: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """E and v by automatic differentiation of ``E(positions)``, with a graph wherever E itself would have one.

    Raises:
        ArgumentError: if E is not a scalar, or does not depend on the positions through differentiable operations.
    """
    value, gradient = _value_and_gradient(functional, positions)
    return value, _per_mass(-gradient, weights)


def zero_where_weightless(velocity: Tensor, weights: Tensor | None) -> Tensor:
    """The ``(N, d)`` velocity with zeros where the weight is zero."""
    return velocity if weights is None else torch.where(weights[:, None] == 0, 0.0, velocity)


def _per_mass(force: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return force * force.shape[0]
    masses = torch.where(weights == 0, 1.0, weights)  # so that no derivative of the quotient is NaN
    return zero_where_weightless(force / masses[:, None], weights)


def _value_and_gradient(functional: Callable[[Tensor], Tensor], positions: Tensor) -> tuple[Tensor, Tensor]:
    if torch.compiler.is_compiling() or is_transforming():
        gradient, value = torch.func.grad_and_value(functional)(positions)
        return value, gradient
    keep_graph = torch.is_grad_enabled() and (positions.requires_grad or functional(positions).requires_grad)
    with torch.enable_grad():
        leaf = positions if keep_graph and positions.requires_grad else positions.detach().requires_grad_()
        value = _differentiable_scalar(functional(leaf))
        (gradient,) = torch.autograd.grad(value, leaf, create_graph=keep_graph)
    return value if keep_graph else value.detach(), gradient


def _differentiable_scalar(value: Tensor) -> Tensor:
    if value.ndim != 0:
        raise ArgumentError("forward", came=f"shape {tuple(value.shape)}", wanted="a scalar")
    if not value.requires_grad:
        remedy = "Write it in torch operations, without detach(); or override the velocity."
        wanted = "a differentiable function of the positions"
        raise ArgumentError("forward", came="a value that does not depend on them", wanted=wanted, remedy=remedy)
    return value
