"""Derivatives of expressions, as expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interflow.sums.expression import ZERO, Expression, topological
from interflow.sums.operations import OPERATIONS, add, multiply


def gradient(
    outputs: Sequence[Expression], cotangents: Sequence[Expression], leaves: Sequence[Expression]
) -> tuple[Expression, ...]:
    """``Σ_c g_c ∂f_c/∂z`` for every leaf z: reverse accumulation."""
    order = list(topological(outputs))
    adjoint: dict[Expression, Expression] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        adjoint[output] = add(adjoint.get(output, ZERO), cotangent)
    for current in reversed(order):
        weight = adjoint.get(current, ZERO)
        if weight is ZERO or not current.arguments:
            continue
        partials = OPERATIONS[current.operation].partials(current)
        for argument, partial in zip(current.arguments, partials, strict=True):
            if partial is not None and argument.sides:
                adjoint[argument] = add(adjoint.get(argument, ZERO), multiply(partial, weight))
    return tuple(adjoint.get(leaf, ZERO) for leaf in leaves)


def tangent(outputs: Sequence[Expression], tangents: Mapping[Expression, Expression]) -> tuple[Expression, ...]:
    """``Σ_z ∂f_c/∂z ż`` for every output: forward accumulation."""
    velocity: dict[Expression, Expression] = dict(tangents)
    for current in topological(outputs):
        if not current.arguments:
            continue
        partials = OPERATIONS[current.operation].partials(current)
        total = ZERO
        for argument, partial in zip(current.arguments, partials, strict=True):
            if partial is not None and velocity.get(argument, ZERO) is not ZERO:
                total = add(total, multiply(partial, velocity[argument]))
        velocity[current] = total
    return tuple(velocity.get(output, ZERO) for output in outputs)
