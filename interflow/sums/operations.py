"""The operations that formulas are made of: how each is built and simplified, computed, and differentiated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from interflow.sums.expression import ONE, TINY, ZERO, Expression, constant, node, topological

Partials = Callable[[Expression], tuple[Expression | None, ...]]
"""From a node to its partial derivative by each argument; None where that is zero everywhere."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        compute: the elementwise torch function; it accepts ``out=``.
        partials: its derivatives.
        boolean: whether its result is a condition.
    """

    compute: Callable[..., Tensor]
    partials: Partials
    boolean: bool = False


# --- building, with the simplifications that keep derivatives short ---------------------------------------------------


def add(a: Expression, b: Expression) -> Expression:
    """``a + b``."""
    if a.constant is not None and b.constant is not None:
        return constant(a.constant + b.constant)
    if a is ZERO:
        return b
    if b is ZERO:
        return a
    if b.operation == "neg":
        return subtract(a, b.arguments[0])
    return _of_branches(add, a, b) if _choose_alike(a, b) else node("add", a, b)


def subtract(a: Expression, b: Expression) -> Expression:
    """``a − b``."""
    if a.constant is not None and b.constant is not None:
        return constant(a.constant - b.constant)
    if b is ZERO:
        return a
    if a is ZERO:
        return negate(b)
    if a is b:
        return ZERO
    if b.operation == "neg":
        return add(a, b.arguments[0])
    return _of_branches(subtract, a, b) if _choose_alike(a, b) else node("subtract", a, b)


def negate(a: Expression) -> Expression:
    """``−a``."""
    if a.constant is not None:
        return constant(-a.constant)
    if a.operation == "neg":
        return a.arguments[0]
    if a.operation == "subtract":
        return subtract(a.arguments[1], a.arguments[0])
    if a.operation == "multiply" and a.arguments[0].constant is not None:
        return multiply(constant(-a.arguments[0].constant), a.arguments[1])
    if _is_guard(a):
        condition, *branches = a.arguments
        return where(condition, *map(negate, branches))
    return node("neg", a)


def multiply(a: Expression, b: Expression) -> Expression:
    """``a · b``. A constant comes first; a guard is moved outwards, where guards meet and merge."""
    if b.constant is not None or (_is_guard(b) and not _is_guard(a)):
        a, b = b, a
    if a.constant is not None:
        return _multiply_by_constant(a.constant, b)
    if a.operation == "multiply" and a.arguments[0].constant is not None:
        return _multiply_by_constant(a.arguments[0].constant, multiply(a.arguments[1], b))
    if b.operation == "multiply" and b.arguments[0].constant is not None:
        return _multiply_by_constant(b.arguments[0].constant, multiply(a, b.arguments[1]))
    if a.operation == "neg":
        return negate(multiply(a.arguments[0], b))
    if b.operation == "neg":
        return negate(multiply(a, b.arguments[0]))
    if _is_guard(a):
        return _of_branches(multiply, a, b)
    return node("square", a) if a is b else node("multiply", a, b)


def _multiply_by_constant(factor: float, b: Expression) -> Expression:
    if b.constant is not None:
        return constant(factor * b.constant)
    if factor == 0.0:
        return ZERO
    if factor == 1.0:
        return b
    if factor == -1.0:
        return negate(b)
    if b.operation == "neg":
        return _multiply_by_constant(-factor, b.arguments[0])
    if b.operation == "multiply" and b.arguments[0].constant is not None:
        return _multiply_by_constant(factor * b.arguments[0].constant, b.arguments[1])
    if _is_guard(b):
        condition, *branches = b.arguments
        return where(condition, *(_multiply_by_constant(factor, branch) for branch in branches))
    return node("multiply", constant(factor), b)


def divide(a: Expression, b: Expression) -> Expression:
    """``a / b``; by the reciprocal where ``b`` is the same for many pairs."""
    if b.constant is not None and b.constant != 0.0:
        return multiply(a, constant(1.0 / b.constant))
    if a is ZERO:
        return ZERO
    return node("divide", a, b) if b.per_pair and a is not ONE else multiply(a, reciprocal(b))


def reciprocal(a: Expression) -> Expression:
    """``1 / a``."""
    if a.operation == "reciprocal":
        return a.arguments[0]
    return constant(1.0 / a.constant) if a.constant else node("reciprocal", a)


def where(condition: Expression, a: Expression, b: Expression) -> Expression:
    """``a`` where the condition holds, else ``b``."""
    if not condition.sides:
        return a if holds(condition) else b
    a, b = _branch(condition, a, 1), _branch(condition, b, 2)
    return a if a is b else node("where", condition, a, b)


def is_condition(a: Expression) -> bool:
    """Whether it is one, and no number."""
    return a.operation in OPERATIONS and OPERATIONS[a.operation].boolean


def holds(condition: Expression) -> bool:
    """Whether a condition on numbers alone holds."""
    values: dict[Expression, Tensor] = {}
    for current in topological((condition,)):
        if current.arguments:
            inputs = (values[argument] for argument in current.arguments)
            values[current] = OPERATIONS[current.operation].compute(*inputs)
        else:
            values[current] = torch.tensor(current.value, dtype=torch.float64)  # of TINY 0
    return bool(values[condition])


def _is_guard(a: Expression) -> bool:
    """Whether it is 0 where its condition holds, or where it does not."""
    return a.operation == "where" and ZERO in a.arguments[1:]


def _branch(condition: Expression, a: Expression, index: int) -> Expression:
    """``a``, known to be used only where the condition holds (index 1), or only where it does not (2)."""
    return a.arguments[index] if a.operation == "where" and a.arguments[0] is condition else a


def _choose_alike(a: Expression, b: Expression) -> bool:
    return a.operation == b.operation == "where" and a.arguments[0] is b.arguments[0]


def _of_branches(build: Callable[[Expression, Expression], Expression], a: Expression, b: Expression) -> Expression:
    """``build(a, b)`` of a choice a, made in each of its branches."""
    condition, *branches = a.arguments
    return where(condition, *(build(branch, _branch(condition, b, index)) for index, branch in enumerate(branches, 1)))


def square(a: Expression) -> Expression:
    """``a²``."""
    return multiply(a, a)


def power(a: Expression, exponent: Expression) -> Expression:
    """``a ** exponent``; products and roots where the exponent is a multiple of one half."""
    number = exponent.constant
    if number is None or not (2 * number).is_integer() or abs(number) > 32:
        return binary("power", a, exponent)
    whole, half = divmod(abs(number), 1.0)
    result = _whole_power(a, int(whole))
    if half:
        result = multiply(result, sqrt(a))
    if number >= 0:
        return result
    return multiply(reciprocal(_whole_power(a, int(whole))), reciprocal(sqrt(a))) if half else reciprocal(result)


def _whole_power(a: Expression, exponent: int) -> Expression:
    if exponent == 0:
        return ONE
    root = square(_whole_power(a, exponent // 2)) if exponent > 1 else ONE
    return multiply(root, a) if exponent % 2 else root


def sqrt(a: Expression) -> Expression:
    """``√a``."""
    return unary("sqrt", a)


def unary(operation: str, a: Expression) -> Expression:
    """A function of one argument that has no simplification of its own; computed at once on a constant."""
    return _computed(operation, a)


def binary(operation: str, a: Expression, b: Expression) -> Expression:
    """A function of two arguments that has no simplification of its own, likewise; or a comparison."""
    return _computed(operation, a, b)


def _computed(operation: str, *arguments: Expression) -> Expression:
    numbers = [argument.constant for argument in arguments]
    if None in numbers or OPERATIONS[operation].boolean:
        return node(operation, *arguments)
    number = OPERATIONS[operation].compute(*(torch.tensor(number, dtype=torch.float64) for number in numbers)).item()
    return constant(number) if math.isfinite(number) else node(operation, *arguments)


def applied(operation: str, arguments: Sequence[Expression]) -> Expression:
    """An operation on other arguments, with its simplifications."""
    build = _BUILDERS.get(operation)
    if build is not None:
        return build(*arguments)
    return unary(operation, *arguments) if len(arguments) == 1 else binary(operation, *arguments)


_BUILDERS: Final[dict[str, Callable[..., Expression]]] = {
    "add": add,
    "subtract": subtract,
    "neg": negate,
    "multiply": multiply,
    "divide": divide,
    "reciprocal": reciprocal,
    "where": where,
    "square": square,
    "power": power,
}


def guarded(a: Expression, function: Callable[[Expression], Expression], at_zero: Expression) -> Expression:
    """A function of ``a`` that is not smooth at ``a = 0``, made constant there: its derivatives are 0, to any order.

    The argument is guarded too, so that no branch that is thrown away becomes infinite.
    """
    apart = binary("greater", a, TINY)
    return where(apart, function(where(apart, a, ONE)), at_zero)


# --- the table --------------------------------------------------------------------------------------------------------


def _flat(a: Expression) -> tuple[Expression | None, ...]:
    return (None,) * len(a.arguments)


def _power_partials(result: Expression) -> tuple[Expression | None, ...]:
    base, exponent = result.arguments
    by_base = multiply(exponent, power(base, subtract(exponent, ONE)))
    by_exponent = None if exponent.constant is not None else multiply(result, unary("log", base))
    return by_base, by_exponent


def _divide_partials(result: Expression) -> tuple[Expression | None, ...]:
    inverse = reciprocal(result.arguments[1])
    return inverse, negate(multiply(result, inverse))


def _hypotenuse_squared(a: Expression, b: Expression) -> Expression:
    return add(square(a), square(b))


def _choose(larger: str) -> Partials:
    """Of minimum and maximum; at a tie each argument takes half, as in torch."""

    def partials(result: Expression) -> tuple[Expression | None, ...]:
        a, b = result.arguments
        tie = where(binary("equal", a, b), constant(0.5), ZERO)
        return (
            where(binary(larger, a, b), ONE, tie),
            where(binary(larger, b, a), ONE, tie),
        )

    return partials


def _chain(derivative: Callable[[Expression, Expression], Expression]) -> Partials:
    """Of a function of one argument, from ``derivative(argument, result)``."""
    return lambda result: (derivative(result.arguments[0], result),)


_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)

OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation(torch.add, lambda _: (ONE, ONE)),
    "subtract": Operation(torch.sub, lambda _: (ONE, constant(-1.0))),
    "neg": Operation(torch.neg, lambda _: (constant(-1.0),)),
    "multiply": Operation(torch.mul, lambda r: (r.arguments[1], r.arguments[0])),
    "divide": Operation(torch.div, _divide_partials),
    "reciprocal": Operation(torch.reciprocal, _chain(lambda _, r: negate(square(r)))),
    "square": Operation(torch.square, _chain(lambda a, _: multiply(constant(2.0), a))),
    "sqrt": Operation(torch.sqrt, _chain(lambda _, r: multiply(constant(0.5), reciprocal(r)))),
    "rsqrt": Operation(torch.rsqrt, _chain(lambda _, r: multiply(constant(-0.5), multiply(square(r), r)))),
    "power": Operation(torch.pow, _power_partials),
    "abs": Operation(torch.abs, _chain(lambda a, _: unary("sign", a))),
    "sign": Operation(torch.sign, _flat),
    "round": Operation(torch.round, _flat),
    "floor": Operation(torch.floor, _flat),
    "exp": Operation(torch.exp, _chain(lambda _, r: r)),
    "exp2": Operation(torch.exp2, _chain(lambda _, r: multiply(constant(math.log(2.0)), r))),
    "expm1": Operation(torch.expm1, _chain(lambda a, _: unary("exp", a))),
    "log": Operation(torch.log, _chain(lambda a, _: reciprocal(a))),
    "log1p": Operation(torch.log1p, _chain(lambda a, _: reciprocal(add(ONE, a)))),
    "sin": Operation(torch.sin, _chain(lambda a, _: unary("cos", a))),
    "cos": Operation(torch.cos, _chain(lambda a, _: negate(unary("sin", a)))),
    "atan": Operation(torch.atan, _chain(lambda a, _: reciprocal(add(ONE, square(a))))),
    "tanh": Operation(torch.tanh, _chain(lambda _, r: subtract(ONE, square(r)))),
    "sigmoid": Operation(torch.sigmoid, _chain(lambda _, r: multiply(r, subtract(ONE, r)))),
    "erf": Operation(
        torch.erf, _chain(lambda a, _: multiply(constant(_TWO_OVER_ROOT_PI), unary("exp", negate(square(a)))))
    ),
    "atan2": Operation(
        torch.atan2,
        lambda r: (
            divide(r.arguments[1], _hypotenuse_squared(*r.arguments)),
            negate(divide(r.arguments[0], _hypotenuse_squared(*r.arguments))),
        ),
    ),
    "maximum": Operation(torch.maximum, _choose("greater")),
    "minimum": Operation(torch.minimum, _choose("less")),
    "where": Operation(
        torch.where,
        lambda r: (None, where(r.arguments[0], ONE, ZERO), where(r.arguments[0], ZERO, ONE)),
    ),
    "greater": Operation(torch.gt, _flat, boolean=True),
    "greater_equal": Operation(torch.ge, _flat, boolean=True),
    "less": Operation(torch.lt, _flat, boolean=True),
    "less_equal": Operation(torch.le, _flat, boolean=True),
    "equal": Operation(torch.eq, _flat, boolean=True),
    "not_equal": Operation(torch.ne, _flat, boolean=True),
    "and": Operation(torch.logical_and, _flat, boolean=True),
    "or": Operation(torch.logical_or, _flat, boolean=True),
    "not": Operation(torch.logical_not, _flat, boolean=True),
}


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
