"""Cheaper expressions have the values of those that they replace."""

from __future__ import annotations

import pytest
import torch

from interflow.sums import operations as op
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import constant, leaf, topological
from interflow.sums.optimise import cheaper

PAIR = op.subtract(leaf("row", 0), leaf("column", 0))
RATE = leaf("parameter", 0)
SQUARE = op.add(op.square(PAIR), constant(0.25))
CASES = {
    "gaussian": op.unary("exp", op.negate(op.multiply(SQUARE, RATE))),
    "inverse root": op.multiply(PAIR, op.reciprocal(op.sqrt(SQUARE))),
    "root and inverse root": op.add(op.sqrt(SQUARE), op.reciprocal(op.sqrt(SQUARE))),
}


def values(output):
    x, y = (torch.randn(20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (0, 1))
    data = {"row": x[:, None], "column": y, "parameter": torch.tensor(0.7, dtype=torch.float64)}
    return evaluate((output,), lambda leaf: data[leaf.operation], like=x)[0]


@pytest.mark.parametrize("case", CASES)
def test_values_stay(case):
    torch.testing.assert_close(values(cheaper([CASES[case]])[0]), values(CASES[case]), rtol=1e-14, atol=0.0)


def test_exponentials_of_pairs_become_powers_of_two_and_others_stay():
    shared = op.unary("exp", RATE)
    found = [current.operation for current in topological(cheaper([op.multiply(CASES["gaussian"], shared)]))]
    assert (found.count("exp2"), found.count("exp")) == (1, 1)


def test_a_root_that_is_needed_itself_is_taken_once():
    found = [current.operation for current in topological(cheaper([CASES["root and inverse root"]]))]
    assert (found.count("sqrt"), found.count("rsqrt")) == (1, 0)
