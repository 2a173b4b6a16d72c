"""Derivatives at coincident points: those of the even part of a profile.

A profile written with ``r = √s``, ``s = |δ|²``, is ``φ = c₀ + c₁ r + c₂ r² + …``. Its even part ``c₀ + c₂ s + c₄ s² +
…`` is smooth at δ = 0, with the Hessian 2c₂·I there. Where derivatives of the second order or higher are wanted, a
formula is therefore written

    ``φ where s > t, else c₀ + c₂ s + … + c₂ₙ sⁿ``

before it is differentiated, to the degree 2n that they see. Afterwards δ is 0 in what stands behind *else*: what is
left there depends on parameters, weights and cotangents, and leaves the inner loop.

A profile that is singular at r = 0, or is not found to have an expansion there, is constant at coincident points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from interflow.sums.expansion import Expansion, NoExpansionError, expansion
from interflow.sums.expression import TINY, ZERO, Expression, constant, rebuild, topological
from interflow.sums.operations import add, applied, binary, multiply, power, where
from interflow.sums.vectors import DELTA, factors

Outputs = tuple[Expression, ...]

_SPARE = (3, 9)
"""Powers beyond the degree that are expanded: the second time for profiles such as ``(r − sin r)/r³``."""


def with_even_parts(outputs: Sequence[Expression], degree: int) -> Outputs:
    """The outputs, with derivatives at coincident points that are right up to a degree."""
    outputs = tuple(outputs)
    for distance in _distances(outputs):
        outputs = distance.smoothed(outputs, degree)
    return outputs


def at_coincidence(outputs: Sequence[Expression]) -> Outputs:
    """The outputs with δ = 0 in what is chosen at coincident points; they are not to be differentiated any more."""
    outputs = tuple(outputs)
    for distance in _distances(outputs):
        outputs = distance.settled(outputs)
    return outputs


class _Distance:
    """A distance by its square s, with the condition that two points are apart by it.

    Args:
        squared: s.
        guards: the conditions under which something is not smooth at s = 0.
    """

    def __init__(self, squared: Expression, guards: set[Expression]) -> None:
        self.squared = squared
        self.apart = binary("greater", squared, TINY)
        self.guards = guards
        roots = (current.arguments[0] for current in topological((squared,)) if current.operation == "square")
        self._nothing = {squared, *roots}

    def smoothed(self, outputs: Outputs, degree: int) -> Outputs:
        """The outputs with each profile as `_chosen`: the least parts of them that are not smooth, up to a factor."""
        order = list(topological(outputs))
        rough = _above(order, self._is_guarded)
        moving = _above(order, self._vanishes)
        linear = rough.intersection(outputs)
        profiles: set[Expression] = set()
        for current in reversed(order):
            if current in linear:
                parts = () if self._is_guarded(current) else _linear_in(current, rough, moving)
                linear.update(parts)
                profiles.update(() if parts else (current,))
        replaced: dict[Expression, Expression] = {}
        for current in order:
            if current in profiles:
                replaced[current] = self._chosen(current, degree)
            elif current in linear:
                replaced[current] = applied(current.operation, [replaced.get(a, a) for a in current.arguments])
        return tuple(replaced.get(output, output) for output in outputs)

    def settled(self, outputs: Outputs) -> Outputs:
        """The outputs with s = 0 in what is chosen of coincident points."""

        def settle(old: Expression, parts: tuple[Expression, ...]) -> Expression:
            if old.operation == "where" and old.arguments[0] is self.apart:
                return where(self.apart, parts[1], self._at_zero(parts[2]))
            return old.with_arguments(parts)

        return rebuild(outputs, settle)

    def _chosen(self, profile: Expression, degree: int) -> Expression:
        """A profile, at coincident points its even part; as it is where no derivative sees the difference."""
        found = self._expansion(profile, degree)
        if found is None:
            even = self._at_zero(profile)
        elif degree == 0:
            return profile
        else:
            even = ZERO
            for exponent in range(0, degree + 1, 2):
                whole = power(self.squared, constant(exponent // 2))
                even = add(even, multiply(found.terms.get(Fraction(exponent), ZERO), whole))
        return where(self.apart, self._without_guards(profile), even)

    def _expansion(self, profile: Expression, degree: int) -> Expansion | None:
        """The expansion of a profile up to a degree; None for one that is singular, or has none."""
        for spare in _SPARE:
            try:
                found = expansion(profile, self.squared, degree + spare)
            except NoExpansionError:
                continue
            if found.end > degree:
                return found if found.least >= 0 else None
        return None

    def _is_guarded(self, a: Expression) -> bool:
        return a.operation == "where" and a.arguments[0] in self.guards

    def _vanishes(self, a: Expression) -> bool:
        return a in self._nothing or (a.operation == "inner" and DELTA in factors(a))

    def _without_guards(self, profile: Expression) -> Expression:
        """The profile, where the points are known to be apart."""

        def open_guard(old: Expression, parts: tuple[Expression, ...]) -> Expression:
            of_squared = old.operation == "where" and old.arguments[0] is self.apart
            return parts[1] if of_squared and old.arguments[1] is not self.squared else old.with_arguments(parts)

        return rebuild([profile], open_guard)[0]

    def _at_zero(self, a: Expression) -> Expression:
        """An expression where s = 0."""

        def put_in(old: Expression, parts: tuple[Expression, ...]) -> Expression:
            if self._vanishes(old):
                return ZERO
            if old.operation == "where" and old.arguments[0] is self.apart:
                return parts[2]
            return applied(old.operation, parts) if parts else old

        return rebuild([a], put_in)[0]


def _above(order: Sequence[Expression], starts: Callable[[Expression], bool]) -> set[Expression]:
    """Those of some nodes, arguments first, that depend on one of a kind."""
    found: set[Expression] = set()
    for current in order:
        if starts(current) or not found.isdisjoint(current.arguments):
            found.add(current)
    return found


def _linear_in(a: Expression, rough: set[Expression], moving: set[Expression]) -> tuple[Expression, ...]:
    """Those of its arguments that are rough, if it is linear in them with factors that do not move; else nothing."""
    concerned = tuple(argument for argument in a.arguments if argument in rough)
    match a.operation, a.arguments:
        case "add" | "subtract" | "neg", _:
            return concerned
        case "multiply", (first, second) if len(concerned) == 1 and {first, second}.difference(concerned) - moving:
            return concerned
        case "divide", (_, second) if second not in moving:
            return concerned
        case "where", (condition, _, _) if condition not in rough:
            return concerned
    return ()


def _distances(outputs: Outputs) -> list[_Distance]:
    """Those on which something depends that is not smooth where they are 0."""
    guards: dict[Expression, set[Expression]] = {}
    for current in topological(outputs):
        if current.operation == "greater" and current.arguments[1] is TINY:
            for squared in _squared_lengths(current.arguments[0]):
                guards.setdefault(squared, set()).add(current)
    return [_Distance(squared, conditions) for squared, conditions in guards.items()]


def _squared_lengths(a: Expression) -> Iterator[Expression]:
    """The sums of squares, up to a factor, that an expression is made of."""
    lengths: set[Expression] = set()
    curved: set[Expression] = set()
    for current in topological((a,)):
        if _is_squared_length(current, lengths, curved):
            lengths.add(current)
        if current in lengths or not curved.isdisjoint(current.arguments):
            curved.add(current)
    stack = [a]
    while stack:
        current = stack.pop()
        inside = [argument for argument in current.arguments if argument in lengths]
        if current not in lengths:
            stack.extend(current.arguments)
        elif current.operation in ("multiply", "divide"):
            stack.extend(inside)
        else:
            yield current


def _is_squared_length(a: Expression, lengths: set[Expression], curved: set[Expression]) -> bool:
    match a.operation, a.arguments:
        case "square", (root,):
            return root.per_pair and root not in curved
        case "add", (first, second):
            return first in lengths and second in lengths
        case "multiply", (first, second):
            return (first in lengths and second.shared) or (second in lengths and first.shared)
        case "divide", (first, second):
            return first in lengths and second.shared
    return a.operation == "inner" and factors(a) == (DELTA, DELTA)
