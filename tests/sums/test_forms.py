"""A form of a symmetric kernel visits each pair once where there are many, and is the same form."""

from __future__ import annotations

import pytest
import torch

from interflow.kernels import GaussianKernel
from interflow.sums import potential, quadratic
from interflow.sums.backends import base
from tests.sums.cases import cloud, signed_weights

COUNT = 4099  # prime, so that blocks are of different sizes


@pytest.fixture
def pairs(monkeypatch):
    """How many pairs the sums visit."""
    visited = []
    whole = base.pair_sum

    def counted(formula, backend, skip, rows, columns, parameters):
        visited.append(rows[0].shape[2] * columns[0].shape[2])
        return whole(formula, backend, skip, rows, columns, parameters)

    monkeypatch.setattr(base, "pair_sum", counted)
    return visited


@pytest.mark.parametrize("self_pairs", [True, False])
def test_a_form_of_many_points_is_its_potential_weighted(self_pairs, pairs):
    kernel, x, w = GaussianKernel(0.3), cloud(COUNT, 2, 0), signed_weights(COUNT, 1)
    options = {"backend": "dense", "self_pairs": self_pairs}
    expected = w @ potential(kernel, x, x, w, **options)
    pairs.clear()
    torch.testing.assert_close(quadratic(kernel, x, w, **options), expected, rtol=1e-12, atol=1e-14)
    assert sum(pairs) < 0.63 * COUNT**2


def test_a_form_with_a_gradient_has_the_same_value():
    kernel, x = GaussianKernel(0.3), cloud(COUNT, 2, 0)
    value = quadratic(kernel, x, backend="dense")
    tied = quadratic(kernel, x.clone().requires_grad_(), backend="dense")
    torch.testing.assert_close(value, tied.detach(), rtol=1e-12, atol=1e-14)
