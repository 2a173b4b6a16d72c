"""Formulas, their derivations, and names that mean the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from interflow.boundaries import PeriodicBoundary
from interflow.kernels import DistanceKernel, GaussianKernel
from interflow.sums import operations as op
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import ZERO, leaf, topological
from interflow.sums.formula import Formula, derive, formula_name, lookup, named
from interflow.sums.optimise import plan, plan_of
from interflow.sums.tracing import parameter_vector

DERIVATIONS = "/vjp_rows:0,1/vjp_columns:2/jvp:0:1:0"
PROGRAM = f"""
from interflow.boundaries import PeriodicBoundary
from interflow.kernels import GaussianKernel
from interflow.sums.formula import lookup, named
from interflow.sums.formula import formula_name
name = formula_name(GaussianKernel(0.3), PeriodicBoundary(1.0), 2)
print(name, named(lookup(name + {DERIVATIONS!r}))[0])
"""


def gaussian_name() -> str:
    return formula_name(GaussianKernel(0.3), PeriodicBoundary(1.0), 2)


def test_names_and_what_they_stand_for_are_the_same_in_every_process():
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True, timeout=120
    )
    name, derived = run.stdout.split()
    assert name == gaussian_name()
    assert derived == named(lookup(name + DERIVATIONS))[0]


def test_kernels_that_differ_by_their_parameters_alone_share_a_formula():
    other = formula_name(GaussianKernel(0.7, learnable=True), PeriodicBoundary(2.0), 2)
    assert other == gaussian_name()


def test_another_exponent_domain_or_dimension_is_another_formula():
    torus = PeriodicBoundary(1.0)
    names = {
        gaussian_name(),
        formula_name(GaussianKernel(0.3), torus, 3),
        formula_name(GaussianKernel(0.3), PeriodicBoundary(torch.ones(2)), 2),
        formula_name(DistanceKernel(1.0), torus, 2),
        formula_name(DistanceKernel(1.5), torus, 2),
    }
    assert len(names) == 5


def random_values(formula: Formula) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = {"row": formula.rows, "column": formula.columns, "parameter": formula.parameters}
    return {side: torch.rand(n, dtype=torch.float64, generator=generator) + 0.2 for side, n in sizes.items()}


def outputs(expressions, values) -> torch.Tensor:
    parts = evaluate(expressions, lambda leaf: values[leaf.operation][int(leaf.value)], like=values["row"])
    return torch.stack([part.reshape(()) for part in parts])


@pytest.mark.parametrize(
    ("derivation", "side"),
    [("vjp_rows", "row"), ("row_gradient", "row"), ("vjp_columns", "column"), ("vjp_parameters", "parameter")],
)
def test_a_derived_formula_is_the_derivative_of_its_base(derivation, side):
    base = lookup(gaussian_name())
    values = random_values(base)
    values[side].requires_grad_()
    (expected,) = torch.autograd.grad(3.0 * outputs(base.outputs, values).sum(), values[side])
    components = list(range(len(values[side])))
    derived = lookup(derive(gaussian_name(), derivation, components))
    cotangent, values = torch.tensor([3.0], dtype=torch.float64), {k: v.detach() for k, v in values.items()}
    if derivation == "row_gradient":
        computed = 3.0 * outputs(derived.outputs, values)
    elif derivation == "vjp_columns":  # the roles are swapped
        swapped = {"row": values["column"], "column": torch.cat([values["row"], cotangent])}
        computed = outputs(derived.outputs, {**values, **swapped})
    else:
        computed = outputs(derived.outputs, {**values, "row": torch.cat([values["row"], cotangent])})
    torch.testing.assert_close(computed, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "path", ["", "/with_row_gradient:0,1", "/vjp_rows:0,1", "/vjp_columns:0,1,2", "/vjp_parameters:0", DERIVATIONS]
)
def test_what_is_taken_out_of_the_loop_multiplies_back(path):
    name = gaussian_name() + path
    formula, made = lookup(name), plan(name)
    values = random_values(formula)
    before = outputs(made.before, values) if made.before else torch.zeros(0)
    inner = outputs(made.inner, {**values, "parameter": before})
    torch.testing.assert_close(
        inner * outputs(made.after, values), outputs(formula.outputs, values), rtol=1e-12, atol=0
    )
    assert all("row" not in part.sides and "column" not in part.sides for part in made.before)
    assert all("column" not in part.sides for part in made.after)


def test_parameters_are_the_kernels_and_then_the_boundarys():
    kernel, boundary = 2.0 * GaussianKernel(0.3, learnable=True), PeriodicBoundary(torch.tensor([1.0, 3.0]))
    vector = parameter_vector(kernel, boundary, like=torch.zeros(1))
    assert vector.dtype == torch.float64
    torch.testing.assert_close(vector[0], torch.tensor([2.0, 0.3, 1.0, 3.0, 0.0], dtype=torch.float64))


def test_formulas_as_deep_as_sums_over_many_images_are_planned():
    squared, total = ZERO, ZERO
    for index in range(1200):
        squared = op.add(squared, op.square(op.subtract(leaf("row", index), leaf("column", index))))
        total = op.add(total, op.multiply(leaf("parameter", 0), op.multiply(leaf("column", 1), leaf("row", index))))
    distance = op.guarded(squared, op.sqrt, ZERO)
    made = plan_of([op.multiply(leaf("column", 1), distance), total])
    assert "where" not in [current.operation for current in topological(made.inner)]
    assert repr(squared).startswith("add(add(")
