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
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

from interflow.sums.expression import ONE, TINY, ZERO, Expression, constant, node, rebuild, topological
from interflow.sums.operations import multiply, reciprocal, sqrt

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
