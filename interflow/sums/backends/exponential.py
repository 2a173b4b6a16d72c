"""Powers of 2 for an inner loop in float32.

``2ᵗ = 2ⁿ · 2^(t−n)`` with n the nearest integer: the first factor is a float with n in the bits of its exponent, the
second a polynomial. This stays in the registers of the loop; the library's function is called once for eight numbers,
and the loop would wait for it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_POLYNOMIAL: Final = (
    1.0, 0.6931472028551, 0.2402264791362, 0.0555033247103, 0.0096184373583, 0.0013398874446, 0.0001535336182,
)  # fmt: skip
"""Of the least relative error on [−½, ½], 2e-9, among those that are 1 at 0."""

_MANTISSA: Final = 2.0**23
_BIAS: Final = 127.0


def power_of_two(exponent: Tensor) -> Tensor:
    """``2ᵗ`` of float32, to 2 ulp; 0 from t = −126.5 down, and infinite from t = 127.5 up.

    Example:
        >>> power_of_two(torch.tensor([-200.0, -1.0, 0.5, 3.0, 128.0]))
        tensor([0.0000, 0.5000, 1.4142, 8.0000,    inf])
    """
    exponent = exponent.clamp(-_BIAS, _BIAS + 1.0)
    whole = exponent.round()
    part = exponent - whole
    *rest, value = _POLYNOMIAL
    polynomial = torch.full_like(part, value)
    for coefficient in reversed(rest):
        polynomial = polynomial * part + coefficient
    bits = (whole * _MANTISSA + _BIAS * _MANTISSA).to(torch.int32)
    return polynomial * bits.view(torch.float32)
