"""Each operation's derivative is torch's, and simplification changes no value."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interflow.sums import operations as op
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import ONE, ZERO, constant, leaf, node
from interflow.sums.operations import OPERATIONS, gradient, tangent

A, B = leaf("row", 0), leaf("column", 0)
SMOOTH = [name for name, operation in OPERATIONS.items() if not operation.boolean]
BINARY = {"add", "subtract", "multiply", "divide", "power", "atan2", "maximum", "minimum"}
POSITIVE = {"sqrt", "rsqrt", "log", "log1p", "power", "divide", "reciprocal"}


def applied(name):
    """The operation on the two leaves, or on the first."""
    if name == "where":
        return node("where", node("greater", A, B), A, B)
    return node(name, A, B) if name in BINARY else node(name, A)


def by_torch(name, a, b):
    compute = OPERATIONS[name].compute
    if name == "where":
        return compute(a > b, a, b)
    return compute(a, b) if name in BINARY else compute(a)


def values(expressions, a, b):
    return evaluate(tuple(expressions), lambda expression: a if expression is A else b, like=a)


numbers = st.floats(0.05, 3.0).map(lambda value: round(value, 6))
signs = st.sampled_from([-1.0, 1.0])


@pytest.mark.parametrize("name", SMOOTH)
@given(a=numbers, b=numbers, sign_a=signs, sign_b=signs)
@settings(max_examples=25)
def test_first_and_second_derivatives_are_those_of_torch(name, a, b, sign_a, sign_b):
    if name not in POSITIVE:
        a, b = sign_a * a, sign_b * b
    x, y = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (a, b))
    first = gradient([applied(name)], [ONE], [A, B])
    second = [part for slope in first for part in gradient([slope], [ONE], [A, B])]
    computed = torch.stack([value.detach().reshape(()) for value in values([*first, *second], x, y)])

    result = by_torch(name, x, y)
    slopes = torch.autograd.grad(result, (x, y), create_graph=True, materialize_grads=True)
    expected = [*slopes]
    for slope in slopes:
        curved = slope.requires_grad
        expected += (
            torch.autograd.grad(slope, (x, y), materialize_grads=True, retain_graph=True) if curved else [0 * x] * 2
        )
    torch.testing.assert_close(computed, torch.stack(expected).detach(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_tangent_is_the_gradient_along_a_direction(name):
    result = applied(name)
    (forwards,) = tangent([result], {A: constant(0.7), B: constant(-1.3)})
    slopes = gradient([result], [ONE], [A, B])
    x, y = torch.tensor(0.4, dtype=torch.float64), torch.tensor(1.1, dtype=torch.float64)
    along, by_a, by_b = values([forwards, *slopes], x, y)
    torch.testing.assert_close(along, 0.7 * by_a - 1.3 * by_b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.boolean])
def test_conditions_are_flat(name):
    count = 1 if name == "not" else 2
    assert OPERATIONS[name].partials(node(name, *(A, B)[:count])) == (None,) * count


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_at_a_tie_each_argument_takes_half_as_in_torch(name):
    x, y = (torch.tensor(0.5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    expected = torch.autograd.grad(by_torch(name, x, y), (x, y))
    computed = values(gradient([applied(name)], [ONE], [A, B]), x.detach(), y.detach())
    torch.testing.assert_close(tuple(computed), expected)


# --- simplification ---------------------------------------------------------------------------------------------------

BUILDERS = {"add": op.add, "subtract": op.subtract, "multiply": op.multiply, "neg": op.negate, "square": op.square}
leaves = st.sampled_from(["a", "b", 0.0, 1.0, -1.0, 2.0, -0.5])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "subtract", "multiply", "divide"]), inner, inner),
        st.tuples(st.sampled_from(["neg", "square"]), inner),
        st.tuples(st.just("guard"), inner),
        st.tuples(st.just("power"), inner, st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 1.5, -0.5, -2.5])),
    ),
    max_leaves=10,
)


def plain(tree, a, b):
    """The tree computed by torch, as it is written."""
    if not isinstance(tree, tuple):
        return {"a": a, "b": b}[tree] if isinstance(tree, str) else torch.tensor(tree, dtype=torch.float64)
    name, *arguments = tree
    first = plain(arguments[0], a, b)
    if name == "guard":
        return torch.where(a > b, first, 0.0)
    if name == "power":
        return (1.0 + first.square()) ** arguments[1]
    if name == "divide":
        return first / (1.0 + plain(arguments[1], a, b).square())
    return OPERATIONS[name].compute(first, *(plain(argument, a, b) for argument in arguments[1:]))


def simplified(tree):
    """The tree built by the functions that simplify."""
    if not isinstance(tree, tuple):
        return {"a": A, "b": B}[tree] if isinstance(tree, str) else constant(tree)
    name, *arguments = tree
    first = simplified(arguments[0])
    if name == "guard":
        return op.where(op.binary("greater", A, B), first, ZERO)
    if name == "power":
        return op.power(op.add(ONE, op.square(first)), constant(arguments[1]))
    if name == "divide":
        return op.divide(first, op.add(ONE, op.square(simplified(arguments[1]))))
    return BUILDERS[name](first, *map(simplified, arguments[1:]))


@given(tree=trees, a=st.sampled_from([-1.25, 0.5, 2.0]), b=st.sampled_from([-0.75, 0.5, 1.5]))
@settings(max_examples=300)
def test_simplification_changes_no_value(tree, a, b):
    a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    (computed,) = values([simplified(tree)], a, b)
    expected = plain(tree, a, b)
    if expected.abs() < 1e30:
        torch.testing.assert_close(computed, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", SMOOTH)
def test_an_operation_on_numbers_is_a_number(name):
    a, b = constant(0.75), constant(1.3)
    arguments = [op.binary("greater", a, b), a, b] if name == "where" else [a, b] if name in BINARY else [a]
    numbers = (torch.tensor(value, dtype=torch.float64) for value in (0.75, 1.3))
    result = op.applied(name, arguments).constant
    assert result is not None
    assert result == pytest.approx(by_torch(name, *numbers).item(), rel=1e-15)


def test_trivial_operations_leave_nothing_behind():
    assert op.add(A, ZERO) is op.add(ZERO, A) is op.subtract(A, ZERO) is op.multiply(ONE, A) is A
    assert op.negate(op.negate(A)) is op.reciprocal(op.reciprocal(A)) is A
    assert op.multiply(A, ZERO) is op.subtract(A, A) is op.divide(ZERO, A) is ZERO
    assert op.power(A, ZERO) is ONE
    assert op.power(A, constant(2.0)) is op.square(A) is op.multiply(A, A)


def test_equal_expressions_are_one_object():
    assert node("add", A, B) is node("add", leaf("row", 0), leaf("column", 0))
    assert constant(2) is constant(2.0)


def test_a_guarded_function_is_constant_at_zero_and_exact_elsewhere():
    root = op.guarded(A, op.sqrt, ZERO)
    outputs = [root, *gradient([root], [ONE], [A])]
    at_zero = values(outputs, torch.zeros((), dtype=torch.float64), torch.zeros(()))
    elsewhere = values(outputs, torch.tensor(0.25, dtype=torch.float64), torch.zeros(()))
    assert [value.item() for value in at_zero] == [0.0, 0.0]
    assert [value.item() for value in elsewhere] == [0.5, 1.0]
