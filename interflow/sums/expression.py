"""Scalar expressions: what one pair contributes to a sum, as a graph that can be differentiated again and again.

An `Expression` is an operation applied to expressions; its leaves are the coordinates of the row point, those of the
column point, the parameters, constants, and inner products of vectors (see `interflow.sums.vectors`). Equal expressions
are one object, so that common parts are shared by construction. `interflow.sums.operations` says what each operation
computes and what its derivatives are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

Value = float
LEAVES: Final = ("row", "column", "parameter", "constant", "tiny", "row_inner", "column_inner", "inner")

_SIDES: Final[dict[str, frozenset[str]]] = {
    "row": frozenset({"row"}),
    "column": frozenset({"column"}),
    "parameter": frozenset({"parameter"}),
    "row_inner": frozenset({"row"}),
    "column_inner": frozenset({"column"}),
    "inner": frozenset({"row", "column"}),
}


class Expression:
    """A node ``operation(arguments)``; a leaf carries an index (or a number, if it is a constant) instead.

    Attributes:
        operation: name of the operation, a key of `interflow.sums.operations.OPERATIONS`, or one of `LEAVES`.
        arguments: the nodes that it is applied to.
        value: index of a leaf; the number of a constant; 0 otherwise.
        sides: which of ``"row"``, ``"column"``, ``"parameter"`` it depends on.
    """

    __slots__ = ("__weakref__", "arguments", "operation", "sides", "value")

    def __init__(self, operation: str, arguments: tuple[Expression, ...], value: Value) -> None:
        self.operation = operation
        self.arguments = arguments
        self.value = value
        own = _SIDES.get(operation, frozenset())
        self.sides: frozenset[str] = own.union(*(argument.sides for argument in arguments))

    @property
    def constant(self) -> float | None:
        """The number that a constant stands for; None for anything else."""
        return self.value if self.operation == "constant" else None

    @property
    def per_pair(self) -> bool:
        """Whether it changes with both the row and the column."""
        return "row" in self.sides and "column" in self.sides

    @property
    def shared(self) -> bool:
        """Whether it is the same for all pairs."""
        return not self.sides & {"row", "column"}

    def with_arguments(self, arguments: tuple[Expression, ...]) -> Expression:
        """The same operation on other arguments."""
        return node(self.operation, *arguments, value=self.value)

    def __repr__(self) -> str:
        texts: dict[Expression, str] = {}
        for current in topological((self,)):
            parts = ", ".join(texts[argument] for argument in current.arguments)
            written = f"({parts})" if parts else "" if current.operation == "tiny" else f"[{current.value}]"
            texts[current] = current.operation + written
        return texts[self]


_known: weakref.WeakValueDictionary[tuple[object, ...], Expression] = weakref.WeakValueDictionary()


def node(operation: str, *arguments: Expression, value: Value = 0) -> Expression:
    """The one expression with this operation and these arguments, as it stands (no simplification)."""
    key = (operation, repr(value), *(id(argument) for argument in arguments))
    found = _known.get(key)
    if found is None:
        found = _known[key] = Expression(operation, arguments, value)
    return found


def constant(number: float) -> Expression:
    """A number; −0 is 0."""
    return node("constant", value=float(number) + 0.0)


def leaf(side: str, index: int) -> Expression:
    """Component ``index`` of the row point, of the column point, or of the parameters."""
    return node(side, value=index)


ZERO: Final = constant(0.0)
ONE: Final = constant(1.0)
TINY: Final = node("tiny")
"""A squared distance under which two points count as one; its value depends on the dtype."""


def topological(outputs: Iterable[Expression]) -> Iterator[Expression]:
    """Every node that the outputs need, each once, arguments before the operations on them."""
    seen: set[Expression] = set()
    for output in outputs:
        stack = [(output, False)]
        while stack:
            current, ready = stack.pop()
            if ready:
                yield current
            elif current not in seen:
                seen.add(current)
                stack.append((current, True))
                stack.extend((argument, False) for argument in reversed(current.arguments))


@lru_cache(maxsize=4096)
def ordered(outputs: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """`topological`, remembered."""
    return tuple(topological(outputs))


def rebuild(
    outputs: Iterable[Expression], make: Callable[[Expression, tuple[Expression, ...]], Expression]
) -> tuple[Expression, ...]:
    """Each output with every node replaced, bottom up, by ``make(node, its replaced arguments)``."""
    outputs = tuple(outputs)
    replaced: dict[Expression, Expression] = {}
    for current in topological(outputs):
        replaced[current] = make(current, tuple(replaced[argument] for argument in current.arguments))
    return tuple(replaced[output] for output in outputs)
