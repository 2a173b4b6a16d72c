"""Expressions of an inner loop made cheaper: selections that change nothing, and operations that cost less.

Pairs at distance 0 without a selection for each pair.

A root of r² has no derivative at 0. Formulas guard it (`operations.guarded`): with ``g = r²`` where ``r² > t``, else 1,

    √r² = √g where r² > t, else 0      ∇√r² = δ/√g where r² > t, else 0

and so on: a *selection* around a product of powers of g with other factors. Where the product has a factor that is 0 at
r = 0 anyway, the selection changes nothing, and ``s = max(r², t)`` does in place of g:

    w √r² = w r²/√s                    w ∇√r² = w δ/√s

Both are exactly 0 at r = 0; between 0 and √t, 10⁻¹² in float32, a value is off by at most w √t. In an inner loop that
is a comparison and a selection less for each output. Higher derivatives keep their selections.

Expressions that cost less in an inner loop, and mean the same.

- ``eᵘ = 2^(u·log₂e)``: powers of 2 take about half of the time on a CPU, and the factor joins the one that u has,
  such as 1/2σ², outside of the loop.
- ``1/√a`` is one operation where √a is not needed itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import permutations
from typing import Final

from interflow.sums.expression import ONE, TINY, ZERO, Expression, constant, leaf, node, rebuild, topological
from interflow.sums.formula import lookup
from interflow.sums.operations import is_condition, multiply, reciprocal, sqrt

_LEAST_EXPONENT = -1.5
"""``t^(−3/2)`` is finite in every dtype."""


def without_selections(outputs: Sequence[Expression]) -> tuple[Expression, ...]:
    """The outputs with those selections left out that change nothing; all of a distance, or none."""
    outputs = tuple(outputs)
    for apart in list(filter(_compares_a_distance, topological(outputs))):
        outputs = _Coincidence(apart).released(outputs)
    return outputs


def _compares_a_distance(a: Expression) -> bool:
    """Whether it is ``r² > t`` for a sum of squares r²."""
    if a.operation != "greater" or a.arguments[1] is not TINY:
        return False
    return all(term.operation == "square" for term in _parts(a.arguments[0], "add"))


class _Coincidence:
    """The selections of one distance, by the condition ``r² > t``."""

    def __init__(self, apart: Expression) -> None:
        self.apart = apart
        self.squared = apart.arguments[0]
        self.guard = node("where", apart, self.squared, ONE)
        self.root = sqrt(self.guard)
        self.vanishing = {
            self.squared,
            sqrt(self.squared),
            *(term.arguments[0] for term in _parts(self.squared, "add")),
        }

    def released(self, outputs: tuple[Expression, ...]) -> tuple[Expression, ...]:
        """The outputs without the selections, or as they are where one of them matters."""
        inverse_is_there = reciprocal(self.root) in topological(outputs)
        vanishing = rebuild(outputs, lambda old, parts: self._as_vanishing(old.with_arguments(parts), inverse_is_there))
        nodes = list(topological(vanishing))
        selections = set(filter(self._is_selection, nodes))
        users = {current for current in nodes if self.apart in current.arguments}
        leaning = self._leaning(nodes)
        if not users <= {*selections, self.guard} or not all(self._is_idle(part, leaning) for part in selections):
            return outputs

        def release(old: Expression, parts: tuple[Expression, ...]) -> Expression:
            if old is self.guard:
                return node("maximum", self.squared, TINY)
            return parts[1] if old in selections else old.with_arguments(parts)

        return rebuild(vanishing, release)

    def _is_selection(self, a: Expression) -> bool:
        return a.operation == "where" and a.arguments[0] is self.apart and a.arguments[2] is ZERO

    def _as_vanishing(self, a: Expression, inverse_is_there: bool) -> Expression:
        """A selected ``√g`` as ``r²/√g`` where 1/√g is needed anyway, else as ``√r²``; anything else as it is."""
        if not self._is_selection(a):
            return a
        factors = list(_parts(a.arguments[1], "multiply"))
        if self.root not in factors or self.vanishing & set(factors):
            return a
        factors.remove(self.root)
        factors += [reciprocal(self.root), self.squared] if inverse_is_there else [sqrt(self.squared)]
        return node("where", self.apart, reduce(multiply, factors), ZERO)

    def _is_idle(self, selection: Expression, leaning: set[Expression]) -> bool:
        """Whether what is selected is 0 at r = 0 and finite all around, with s in the place of g."""
        factors = list(_parts(selection.arguments[1], "multiply"))
        powers = [self._exponent(factor) for factor in factors if factor in leaning]
        total = sum(power for power in powers if power is not None)
        return bool(self.vanishing & set(factors)) and None not in powers and total >= _LEAST_EXPONENT

    def _leaning(self, nodes: Sequence[Expression]) -> set[Expression]:
        """Those of some nodes, arguments first, in which g stands outside of other selections."""
        leaning = {self.guard}
        for current in nodes:
            if not leaning.isdisjoint(current.arguments) and not self._is_selection(current):
                leaning.add(current)
        return leaning

    def _exponent(self, a: Expression) -> float | None:
        """p where it is ``g^p``, else None."""
        exponent = 1.0
        while a is not self.guard:
            if a.operation not in _EXPONENTS:
                return None
            exponent *= _EXPONENTS[a.operation]
            (a,) = a.arguments
        return exponent


_EXPONENTS: Final = {"sqrt": 0.5, "reciprocal": -1.0, "rsqrt": -0.5, "square": 2.0}


def _parts(a: Expression, operation: str) -> Iterator[Expression]:
    """What is added up in it, or multiplied."""
    stack = [a]
    while stack:
        current = stack.pop()
        if current.operation == operation:
            stack.extend(reversed(current.arguments))
        else:
            yield current


_LOG2_E: Final = constant(math.log2(math.e))


def cheaper(outputs: Sequence[Expression]) -> tuple[Expression, ...]:
    """The outputs with these operations."""
    uses = Counter(argument for current in topological(outputs) for argument in current.arguments)
    uses.update(outputs)

    def make(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        match old.operation, parts:
            case "exp", (exponent,) if old.per_pair:
                return node("exp2", multiply(exponent, _LOG2_E))
            case "reciprocal", (root,) if root.operation == "sqrt" and uses[old.arguments[0]] == 1:
                return node("rsqrt", *root.arguments)
        return old.with_arguments(parts)

    return rebuild(outputs, make)


# --- formulas made ready for the inner loop ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A formula made ready for the inner loop: what does not change from pair to pair is taken out of it.

    ``out_c(i) = after_c(Aᵢ, P) · Σⱼ inner_c(Aᵢ, Bⱼ, before(P))``

    Attributes:
        before: expressions of the parameters alone; the parameter leaves of `inner` count these.
        inner: what is summed, one expression for each output.
        after: factors that do not depend on the column.
    """

    before: tuple[Expression, ...]
    inner: tuple[Expression, ...]
    after: tuple[Expression, ...]

    @cached_property
    def of_rows(self) -> tuple[int, ...]:
        """The outputs whose factor changes from row to row."""
        return tuple(index for index, factor in enumerate(self.after) if "row" in factor.sides)


@lru_cache(maxsize=4096)
def plan(name: str, *, whole: bool = False) -> Plan:
    """The plan of a formula in components; with ``whole`` no factors are taken out, as a maximum wants it."""
    return plan_of(lookup(name).outputs, whole=whole)


def plan_of(outputs: Sequence[Expression], *, whole: bool = False) -> Plan:
    """The plan of some expressions."""
    pulled = [(output, ONE) for output in outputs] if whole else _pulled(outputs)
    before: dict[Expression, Expression] = {}

    def hoisted(part: Expression) -> Expression:
        if part.sides != {"parameter"} or is_condition(part):
            return part
        return before.setdefault(part, leaf("parameter", len(before)))

    def hoist(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        whole = old.sides == {"parameter"} and not is_condition(old)
        return old if whole else old.with_arguments(tuple(map(hoisted, parts)))

    inner = cheaper(without_selections([inner for inner, _ in pulled]))
    inner = tuple(map(_weighted_last, inner))
    inner = tuple(map(hoisted, rebuild(rebuild(inner, _grouped), hoist)))
    return Plan(tuple(before), inner, tuple(after for _, after in pulled))


def _weighted_last(output: Expression) -> Expression:
    """An output with a factor of the column alone outside of a selection, which outputs of other weights then share."""
    if output.operation == "where" and output.arguments[2] is ZERO and output.arguments[1].operation == "multiply":
        condition, product, _ = output.arguments
        for factor, rest in permutations(product.arguments):
            if factor.sides == {"column"} and rest.per_pair:
                return node("multiply", factor, node("where", condition, rest, ZERO))
    return output


def _grouped(old: Expression, parts: tuple[Expression, ...]) -> Expression:
    """A product with the factors that are the same for all pairs brought together, so that they are hoisted as one."""
    if old.operation != "multiply":
        return old.with_arguments(parts)
    a, b = parts
    if a.shared and not b.shared:
        a, b = b, a
    if b.shared and a.operation == "multiply" and a.arguments[1].shared:
        return node("multiply", a.arguments[0], multiply(a.arguments[1], b))
    return node("multiply", a, b)


def _pulled(outputs: Sequence[Expression]) -> list[tuple[Expression, Expression]]:
    """Each output taken apart: the factors that depend on the column, and the others."""
    order, wanted = list(topological(outputs)), set(outputs)
    for current in reversed(order):
        if current in wanted and current.operation in ("neg", "multiply", "where", "add", "subtract"):
            wanted.update(current.arguments)
    found: dict[Expression, tuple[Expression, Expression]] = {}
    for current in order:
        if current in wanted:
            found[current] = _pull_factors(current, found)
    return [found[output] for output in outputs]


def _pull_factors(
    output: Expression, found: Mapping[Expression, tuple[Expression, Expression]]
) -> tuple[Expression, Expression]:
    """One of them, whose arguments have been taken apart."""
    if not {"column"} <= output.sides:
        return (ONE, output) if output.sides else (output, ONE)
    match output.operation, output.arguments:
        case "neg", (a,):
            inner, after = found[a]
            return inner, multiply(node("constant", value=-1.0), after)
        case "multiply", (a, b):
            (inner_a, after_a), (inner_b, after_b) = found[a], found[b]
            return multiply(inner_a, inner_b), multiply(after_a, after_b)
        case "where", (condition, a, b) if b.constant == 0.0:
            inner, after = found[a]
            return node("where", condition, inner, b), after
        case "add" | "subtract", (a, b):
            (inner_a, after_a), (inner_b, after_b) = found[a], found[b]
            if after_a is after_b and after_a is not ONE:
                return node(output.operation, inner_a, inner_b), after_a
    return output, ONE
