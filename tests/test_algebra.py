from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interflow.parameters import LinearSpace


class Line(LinearSpace):
    def __init__(self, value: float) -> None:
        self.value = value

    def _plus(self, other: object) -> Line:
        return Line(self.value + other.value) if isinstance(other, Line) else NotImplemented

    def _times(self, factor: float) -> Line:
        return Line(factor * self.value)


numbers = st.floats(-1e3, 1e3)


@given(a=numbers, b=numbers, factor=numbers.filter(lambda number: abs(number) > 1e-3))
def test_operators_are_those_of_a_vector_space(a: float, b: float, factor: float) -> None:
    first, second = Line(a), Line(b)
    assert (first + second).value == a + b
    assert (first - second).value == a - b
    assert (factor * first).value == (first * factor).value == factor * a
    assert (first / factor).value == pytest.approx(a / factor)
    assert (-first).value == -a
    assert (+first) is first
    total: Any = sum([first, second, first])
    assert total.value == pytest.approx(a + b + a)


@pytest.mark.parametrize(
    "operation",
    [
        lambda a: a + 1,
        lambda a: 1 + a,
        lambda a: a - 1,
        lambda a: a * a,
        lambda a: a * "2",
        lambda a: 1 / a,
        lambda a: a / a,
    ],
)
def test_other_operands_are_refused(operation) -> None:
    with pytest.raises(TypeError):
        operation(Line(1.0))


def test_members_of_two_families_do_not_mix() -> None:
    class Other(Line):
        def _plus(self, other: object) -> Line:
            return NotImplemented

    with pytest.raises(TypeError):
        Other(1.0) + Line(1.0)
