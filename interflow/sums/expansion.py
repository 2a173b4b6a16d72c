"""Expansions at r = 0+ of expressions of ``r = √s``, in powers of r that need not be whole: ``Σ c_q r^q + o(r^e)``.

Written with √, a profile φ(r) and its derivatives cannot be evaluated at s = 0. Expanded operation by operation, the
coefficients are expressions of what else φ depends on, such as its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any, Final

from interflow.sums.expression import ONE, TINY, ZERO, Expression, constant, leaf, rebuild, topological
from interflow.sums.operations import add, applied, binary, gradient, holds, multiply, subtract, unary, where

_MOST_TERMS: Final = 64
"""Of a sum, where exponents lie close together."""


class NoExpansionError(Exception):
    """An expression has no such expansion, as log r, or none that is found."""


@dataclass(frozen=True)
class Expansion:
    """``Σ c_q r^q + o(r^end)``, up to the power `end` itself. That of a condition is flat: it holds or not near 0.

    Attributes:
        terms: the coefficients by exponent, none of them 0; only exponents below `end`.
        end: the exponent from which on nothing is known; ∞ where nothing is left out.
    """

    terms: Mapping[Fraction, Expression]
    end: float | Fraction = math.inf

    @property
    def least(self) -> float | Fraction:
        """The exponent below which there is nothing; ∞ for 0."""
        return min(self.terms, default=self.end)

    def leading(self) -> tuple[Fraction, Expression]:
        """The least exponent with its coefficient."""
        if not self.terms:
            raise NoExpansionError
        exponent = min(self.terms)
        return exponent, self.terms[exponent]

    def limit(self) -> Expression:
        """The value at r = 0."""
        if self.least < 0 or self.end <= 0:
            raise NoExpansionError
        return self.terms.get(Fraction(0), ZERO)

    def without_limit(self) -> Expansion:
        """Less its value at r = 0."""
        return Expansion({exponent: value for exponent, value in self.terms.items() if exponent}, self.end)

    def shifted(self, exponent: Fraction) -> Expansion:
        """Times ``r^exponent``."""
        return Expansion({own + exponent: value for own, value in self.terms.items()}, self.end + exponent)

    def up_to(self, end: int) -> Expansion:
        """The same without what is beyond a power."""
        return self if all(exponent < end for exponent in self.terms) else _gathered(self.terms.items(), end)

    def __add__(self, other: Expansion) -> Expansion:
        return _gathered((*self.terms.items(), *other.terms.items()), min(self.end, other.end))

    def __sub__(self, other: Expansion) -> Expansion:
        exponents = {*self.terms, *other.terms}
        terms = ((e, subtract(self.terms.get(e, ZERO), other.terms.get(e, ZERO))) for e in exponents)
        return _gathered(terms, min(self.end, other.end))

    def __mul__(self, other: Expansion) -> Expansion:
        products = ((p + q, multiply(a, b)) for p, a in self.terms.items() for q, b in other.terms.items())
        return _gathered(products, min(self.least + other.end, other.least + self.end))


def _gathered(terms: Iterable[tuple[Fraction, Expression]], end: float | Fraction) -> Expansion:
    total: dict[Fraction, Expression] = {}
    for exponent, value in terms:
        if exponent < end:
            total[exponent] = add(total.get(exponent, ZERO), value)
    return Expansion({exponent: value for exponent, value in total.items() if value is not ZERO}, end)


def _flat(value: Expression) -> Expansion:
    """What does not depend on r."""
    return Expansion({} if value in (ZERO, TINY) else {Fraction(0): value})


def expansion(expression: Expression, squared: Expression, end: int) -> Expansion:
    """The expansion of an expression in powers of ``r = √squared``, known below ``r^end`` unless powers cancel.

    Raises:
        NoExpansionError: if there is none.
    """
    found: dict[Expression, Expansion | None] = {squared: Expansion({Fraction(2): ONE})}
    for current in topological((expression,)):
        if current not in found and any(argument in found for argument in current.arguments):
            found[current] = _expanded(current, [found.get(a, _flat(a)) for a in current.arguments], end)
    result = found.get(expression, _flat(expression))
    if result is None:
        raise NoExpansionError
    return result


def _expanded(current: Expression, parts: Sequence[Any], end: int) -> Expansion | None:
    if None in parts and current.operation != "where":
        return None
    rule: Callable[..., Expansion] | None = _RULES.get(current.operation)
    if TINY in current.arguments:
        rule = _apart
    try:
        result = _smooth(current.operation, parts, end) if rule is None else rule(*parts, end)
    except NoExpansionError:
        return None
    return result.up_to(end) if len(result.terms) <= _MOST_TERMS else None


# --- what each operation becomes --------------------------------------------------------------------------------------


def _smooth(operation: str, arguments: Sequence[Expansion], end: int) -> Expansion:
    """A function that is smooth at the limits of its arguments, by Taylor's formula."""
    limits = [argument.limit() for argument in arguments]
    powers = [_powers(argument.without_limit(), end) for argument in arguments]
    total = Expansion({}, math.inf if all(len(part) == 1 for part in powers) else end)
    for chosen in product(*map(enumerate, powers)):
        orders, factors = zip(*chosen, strict=True)
        slope = multiply(constant(1.0 / math.prod(map(math.factorial, orders))), _partial(operation, orders, limits))
        total += math.prod(factors, start=_flat(slope))
    return total


def _powers(small: Expansion, end: int) -> list[Expansion]:
    """``1, u, u², …`` as far as they are seen."""
    powers = [_flat(ONE)]
    while (powers[-1] * small).least < end:
        powers.append((powers[-1] * small).up_to(end))
        if len(powers) > _MOST_TERMS:
            raise NoExpansionError
    return powers


def _partial(operation: str, orders: Sequence[int], limits: Sequence[Expression]) -> Expression:
    """A partial derivative of an operation at given arguments."""
    given = dict(zip(_SLOTS, limits, strict=False))

    def put_in(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        value = applied(old.operation, parts) if parts else given.get(old, old)
        if not value.sides and not math.isfinite(math.nan if value.constant is None else value.constant):
            raise NoExpansionError  # it grows without bound there
        return value

    return rebuild([_written_partial(operation, tuple(orders))], put_in)[0]


_SLOTS: Final = (leaf("parameter", -1), leaf("parameter", -2))
"""What stands for the arguments of an operation while it is differentiated."""


@lru_cache(maxsize=1024)
def _written_partial(operation: str, orders: tuple[int, ...]) -> Expression:
    for index, order in enumerate(orders):
        if order:
            lower = _written_partial(operation, (*orders[:index], order - 1, *orders[index + 1 :]))
            return gradient((lower,), (ONE,), (_SLOTS[index],))[0]
    return applied(operation, _SLOTS[: len(orders)])


def _raised(operation: str, base: Expansion, *others: Expansion, exponent: Fraction, end: int) -> Expansion:
    """An operation that gives ``base^exponent``, also where base vanishes or grows."""
    if base.least == math.inf and exponent > 0:
        return base
    power, value = base.leading()
    if exponent.denominator > 1 and value.constant is not None and value.constant < 0.0:
        raise NoExpansionError
    return _smooth(operation, (base.shifted(-power), *others), end).shifted(exponent * power)


def _power(base: Expansion, exponent: Expansion, end: int) -> Expansion:
    number = exponent.limit().constant
    if number is None or set(exponent.terms) - {0}:
        return _smooth("power", (_away_from_zero(base), exponent), end)
    return _raised("power", base, exponent, exponent=Fraction(number).limit_denominator(1000), end=end)


def _away_from_zero(a: Expansion) -> Expansion:
    if a.limit() is ZERO:
        raise NoExpansionError
    return a


def _sign(a: Expansion, end: int) -> Expansion:
    return a if a.least == math.inf else _flat(unary("sign", a.leading()[1]))


def _comparison(operation: str) -> Callable[[Expansion, Expansion, int], Expansion]:
    """Of the difference from 0 for small r > 0: its first term decides."""

    def compare(a: Expansion, b: Expansion, end: int) -> Expansion:
        difference = a - b
        value = ZERO if difference.least == math.inf else difference.leading()[1]
        return _flat(binary(operation, value, ZERO))

    return compare


def _apart(squared: Expansion, tiny: Expansion, end: int) -> Expansion:
    """Of a guard: a squared distance, in some unit, is positive next to 0."""
    value = squared.leading()[1]
    return _flat(binary("greater", ONE if value.constant is None else value, ZERO))


def _where(condition: Expansion | None, a: Expansion | None, b: Expansion | None, end: int) -> Expansion:
    if condition is None:
        raise NoExpansionError
    test = condition.limit()
    if not test.sides:
        a = b = a if holds(test) else b
    if a is None or b is None:
        raise NoExpansionError
    if a is b:
        return a
    terms = ((e, where(test, a.terms.get(e, ZERO), b.terms.get(e, ZERO))) for e in {*a.terms, *b.terms})
    return _gathered(terms, min(a.end, b.end))


def _rounded(operation: str) -> Callable[[Expansion, int], Expansion]:
    """Of a number that is no whole one in the limit, or is approached from above."""

    def rounded(a: Expansion, end: int) -> Expansion:
        limit, rest = a.limit(), a.without_limit()
        if operation == "floor" and limit.constant is not None and rest.terms:
            falling = rest.leading()[1].constant
            if falling is None or (falling < 0.0 and limit.constant.is_integer()):
                raise NoExpansionError
        return _flat(unary(operation, limit))

    return rounded


def _logic(operation: str) -> Callable[..., Expansion]:
    return lambda *parts: _flat(applied(operation, [part.limit() for part in parts[:-1]]))


_RULES: Final[dict[str, Callable[..., Expansion]]] = {
    "add": lambda a, b, end: a + b,
    "subtract": lambda a, b, end: a - b,
    "neg": lambda a, end: Expansion({}) - a,
    "multiply": lambda a, b, end: a * b,
    "square": lambda a, end: a * a,
    "reciprocal": lambda a, end: _raised("reciprocal", a, exponent=Fraction(-1), end=end),
    "divide": lambda a, b, end: a * _raised("reciprocal", b, exponent=Fraction(-1), end=end),
    "sqrt": lambda a, end: _raised("sqrt", a, exponent=Fraction(1, 2), end=end),
    "rsqrt": lambda a, end: _raised("rsqrt", a, exponent=Fraction(-1, 2), end=end),
    "power": _power,
    "atan2": lambda a, b, end: _smooth("atan2", (a, _away_from_zero(b)), end),
    "abs": lambda a, end: a * _sign(a, end),
    "sign": _sign,
    "round": _rounded("round"),
    "floor": _rounded("floor"),
    "maximum": lambda a, b, end: _where(_comparison("greater")(a, b, end), a, b, end),
    "minimum": lambda a, b, end: _where(_comparison("less")(a, b, end), a, b, end),
    "where": _where,
    **{name: _comparison(name) for name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")},
    **{name: _logic(name) for name in ("and", "or", "not")},
}
