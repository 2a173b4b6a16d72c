"""Selections that change nothing are left out of the inner loop, and all others stay."""

from __future__ import annotations

import pytest
import torch

from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.kernels import DistanceKernel, GaussianKernel, LaplacianKernel
from interflow.sums import operations as op
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import ZERO, Expression, leaf, topological
from interflow.sums.formula import derive, formula_name, lookup
from interflow.sums.optimise import plan, without_selections
from tests.sums.cases import Ring

AXES = range(2)


def name_of(kernel, derivation, boundary=None):
    name = formula_name(kernel, boundary or OpenBoundary(), 2)
    return derive(name, derivation, AXES) if derivation else name


def operations(name):
    return [current.operation for current in topological(plan(name).inner)]


def values(outputs: tuple[Expression, ...], x, y, parameters, dtype):
    """The outputs on the pairs of x with y, all columns of weight 2."""
    columns = torch.cat([y, torch.full((len(y), 1), 2.0, dtype=dtype)], 1)
    data = {"row": x.mT[:, :, None], "column": columns.mT[:, None, :], "parameter": parameters.to(dtype)[:, None, None]}
    found = evaluate(outputs, lambda leaf: data[leaf.operation][int(leaf.value)], like=x)
    return [value.broadcast_to(len(x), len(y)) for value in found]


@pytest.mark.parametrize("derivation", ["", "row_gradient", "with_row_gradient"])
@pytest.mark.parametrize("boundary", [OpenBoundary(), PeriodicBoundary(1.0)], ids=["open", "torus"])
def test_a_distance_and_its_gradient_select_nothing(derivation, boundary):
    found = operations(name_of(DistanceKernel(), derivation, boundary))
    assert "where" not in found
    assert "greater" not in found


def test_a_value_with_its_gradient_takes_one_root_and_one_division():
    found = operations(name_of(DistanceKernel(), "with_row_gradient"))
    assert [found.count(operation) for operation in ("rsqrt", "sqrt", "reciprocal", "divide")] == [1, 0, 0, 0]


def test_second_derivatives_keep_their_selections():
    gradient = name_of(DistanceKernel(), "row_gradient")
    assert "where" in operations(derive(gradient, "vjp_rows", AXES))


def test_a_power_whose_exponent_is_not_known_keeps_its_selection():
    assert "where" in operations(name_of(DistanceKernel(1.3), "row_gradient"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("derivation", ["", "row_gradient", "with_row_gradient"])
@pytest.mark.parametrize(
    "kernel",
    [DistanceKernel(), LaplacianKernel(0.3), Ring(0.5), GaussianKernel(0.3)],
    ids=lambda kernel: type(kernel).__name__,
)
def test_sums_are_the_same_with_and_without(kernel, derivation, dtype):
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    y = torch.cat([x[:4], x[4:5] + 1e-30, torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)])
    outputs = lookup(name_of(kernel, derivation)).outputs
    parameters = torch.tensor([0.4, 0.7, 0.2], dtype=torch.float64)
    expected, eps = values(outputs, x, y, parameters, dtype), 8 * torch.finfo(dtype).eps
    found = values(without_selections(outputs), x, y, parameters, dtype)
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted, rtol=eps, atol=eps)
        assert torch.equal(value[wanted == 0.0], wanted[wanted == 0.0])


def test_what_does_not_vanish_at_zero_keeps_its_selection():
    squared = op.add(*(op.square(op.subtract(leaf("row", axis), leaf("column", axis))) for axis in AXES))
    inverse = op.guarded(squared, lambda apart: op.reciprocal(op.sqrt(apart)), ZERO)
    assert without_selections([inverse]) == (inverse,)


def test_what_may_be_negative_keeps_its_selection():
    difference = op.subtract(leaf("row", 0), leaf("column", 0))
    root = op.guarded(difference, op.sqrt, ZERO)
    assert without_selections([root]) == (root,)
