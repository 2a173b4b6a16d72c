"""A kernel may keep lists, arrays and functions: each kernel is summed by its own, as it is at the time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interflow import sums
from interflow.kernels import RadialKernel
from interflow.sums.cache import structure


class Polynomial(RadialKernel):
    """``Σ cᵢ r²ⁱ``."""

    def __init__(self, coefficients):
        super().__init__()
        self.coefficients = coefficients

    def profile(self, squared_distance):
        return sum(float(c) * squared_distance**i for i, c in enumerate(self.coefficients))


def is_right(kernel):
    x = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.allclose(sums.potential(kernel, x, x, backend="dense"), kernel(x, x).mean(1))


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda values: dict(enumerate(values)).values()])
def test_kernels_made_one_after_the_other_are_told_apart(kind):
    for slope in range(10):  # each is freed before the next is made, often at the same address
        assert is_right(Polynomial(kind([1.0, float(slope)])))


@pytest.mark.parametrize("kind", [list, np.array])
def test_a_change_in_place_is_seen(kind):
    kernel = Polynomial(kind([1.0, 1.0]))
    assert is_right(kernel)
    kernel.coefficients[1] = 5.0
    assert is_right(kernel)


def test_what_cannot_be_written_down_is_told_by_itself():
    first, second = Polynomial([lambda: 1.0]), Polynomial([lambda: 1.0])
    assert structure(first) == structure(first)
    assert structure(first) != structure(second)
