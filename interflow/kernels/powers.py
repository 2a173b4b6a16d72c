"""Powers and softened squares, as the cheapest formula that has the value."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import PositiveParameter


def power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """``baseᵉ``, by products and square roots where e is a multiple of ¼; a fixed exponent is part of the formula."""
    if isinstance(exponent, Tensor):
        return base**exponent
    if exponent.is_integer():
        return _product(base if exponent > 0 else 1.0 / base, abs(int(exponent)))
    if (2.0 * exponent).is_integer():
        return _product(base.sqrt() if exponent > 0 else base.rsqrt(), abs(int(2.0 * exponent)))
    if (4.0 * exponent).is_integer():
        return power(base.sqrt(), 2.0 * exponent)
    return base**exponent


def _product(base: Tensor, count: int) -> Tensor:
    """``baseⁿ`` for n ≥ 1 by repeated squaring."""
    if count == 1:
        return base
    square = _product(base, count // 2).square()
    return square * base if count % 2 else square


def softening_parameter(softening: float | Tensor, learnable: bool) -> float | Tensor:
    """A `PositiveParameter`, or the plain number 0 for a kernel that is to be singular."""
    if isinstance(softening, int | float) and softening == 0:
        return 0.0
    return PositiveParameter(softening, learnable=learnable)


def softened(squared_distance: Tensor, softening: float | Tensor) -> Tensor:
    """``r² + s²``, and r² itself where s is the plain number 0, so that the formula shows its singularity."""
    if isinstance(softening, float) and softening == 0.0:
        return squared_distance
    return squared_distance + softening**2


def fixed_exponent(value: object, wanted: str, accepts: Callable[[float], bool], name: str = "exponent") -> float:
    """An exponent that is part of a formula; raises `ArgumentError` unless it is accepted."""
    if not isinstance(value, int | float) or not accepts(value):
        raise ArgumentError(name, came=repr(value), wanted=wanted)
    return float(value)
