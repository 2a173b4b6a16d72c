"""Powers of 2 in the inner loop are those of float64, rounded."""

from __future__ import annotations

import math

import pytest
import torch

from interflow.sums.backends.compiled import power_of_two


def test_relative_error_is_that_of_float32():
    exponents = torch.linspace(-126.0, 127.49, 1_000_001)
    relative = power_of_two(exponents).double() / exponents.double().exp2() - 1.0
    assert float(relative.abs().max()) < 2.0 * torch.finfo(torch.float32).eps


def test_whole_powers_are_exact():
    exponents = torch.arange(-126.0, 128.0)
    assert torch.equal(power_of_two(exponents), exponents.exp2())


@pytest.mark.parametrize(
    ("exponent", "power"), [(-math.inf, 0.0), (-1e30, 0.0), (-127.5, 0.0), (127.6, math.inf), (math.inf, math.inf)]
)
def test_beyond_the_range(exponent, power):
    assert power_of_two(torch.tensor([exponent])).item() == power


def test_what_is_not_a_number_stays_so():
    assert power_of_two(torch.tensor([math.nan])).isnan().all()
