"""Formulas of points with many coordinates, in terms of inner products: what matrix products can sum.

A kernel of the squared distance alone depends on a pair only through ``⟨δ, δ⟩`` with ``δ = x − y``. Its derivatives
depend on inner products of δ and of cotangent vectors, and are sums ``Σⱼ h(i, j) v`` of vectors v that are δ, or belong
to the row or to the column. All of them for a tile are a few matrix products, and nothing has d times as many entries
as the tile. Formulas of this kind are closed under differentiation, as those of components are.

Vectors have numbers: 0 is δ; ``row_vector(b)`` and ``column_vector(b)`` are the vector in block b of the row's and of
the column's data. Block 0 holds x, or y.

On a torus δ is the shortest way, ``(x − y) − L·round((x − y)/L)``, whose derivatives by points are those of ``x − y``.
It is no difference of what belongs to the row and to the column: sums then take it component by component. By a period
L the formulas are not closed, and are differentiated in components.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Final

from interflow.sums.expression import ONE, ZERO, Expression, constant, leaf, rebuild, topological
from interflow.sums.operations import add, gradient, multiply, negate, reciprocal, square, subtract, tangent, unary

SCALAR: Final = "s"
VECTOR: Final = "v"
DELTA: Final = 0

Rewriting = Callable[[Sequence[Expression]], tuple[Expression, ...]]

VectorSum = tuple[tuple[Expression, int], ...]
"""A vector ``Σ h·v``: coefficients, each with the number of a vector."""

Periods = tuple[int | None, ...]
"""For each axis the parameter that is its period; None where it has none."""

_STRIDE: Final = 1024
_SWAPPED: Final = {"row": "column", "column": "row"}


def row_vector(block: int) -> int:
    """The number of the vector in a block of the row."""
    return 2 * block + 1


def column_vector(block: int) -> int:
    """The number of the vector in a block of the column."""
    return 2 * block + 2


def block_of(vector: int) -> tuple[str, int]:
    """The side and the block of a vector other than δ."""
    return ("row" if vector % 2 else "column"), (vector - 1) // 2


def inner(u: int, v: int) -> Expression:
    """The leaf ``⟨u, v⟩``; it depends on the row alone, on the column alone, or on the pair."""
    first, second = sorted((u, v))
    sides = {"pair" if vector == DELTA else block_of(vector)[0] for vector in (first, second)}
    side = sides.pop() if len(sides) == 1 else "pair"
    return leaf(_INNER[side], first * _STRIDE + second)


_INNER: Final = {"pair": "inner", "row": "row_inner", "column": "column_inner"}


def factors(product: Expression) -> tuple[int, int]:
    """u and v of a leaf ``⟨u, v⟩``."""
    return divmod(int(product.value), _STRIDE)


@dataclass(frozen=True)
class VectorFormula:
    """Outputs that are numbers or vectors, of rows and columns that are made of numbers and vectors.

    Attributes:
        rows: the blocks of a row's data, each `SCALAR` or `VECTOR`.
        columns: those of a column.
        parameters: the number of parameters.
        outputs: an expression for a number, a `VectorSum` for a vector.
        periods: the parameter that is the period of each axis, None for an axis without one.
    """

    rows: str
    columns: str
    parameters: int
    outputs: tuple[Expression | VectorSum, ...]
    periods: Periods

    @property
    def dimension(self) -> int:
        """d, the components of a vector."""
        return len(self.periods)

    @cached_property
    def straight(self) -> bool:
        """Whether δ is ``x − y``."""
        return all(period is None for period in self.periods)

    @cached_property
    def vectors(self) -> frozenset[int]:
        """The vectors that it depends on."""
        sums = [output for output in self.outputs if not isinstance(output, Expression)]
        numbers = [output for output in self.outputs if isinstance(output, Expression)]
        parts = topological([*numbers, *(h for output in sums for h, _ in output)])
        products = [factors(part) for part in parts if part.operation in _INNER.values()]
        return frozenset(v for pair in products for v in pair) | {v for output in sums for _, v in output}

    @property
    def of_differences(self) -> bool:
        """Whether it depends on points through δ alone, and not on where they are."""
        return self.vectors.isdisjoint((row_vector(0), column_vector(0)))

    @property
    def coordinates(self) -> int:
        """The first components of A, and of B, which are those of points."""
        return self.dimension

    @property
    def layout(self) -> str:
        """The blocks of the outputs."""
        return "".join(SCALAR if isinstance(output, Expression) else VECTOR for output in self.outputs)

    def size(self, layout: str) -> int:
        """The components of some blocks."""
        return sum(self.dimension if kind == VECTOR else 1 for kind in layout)

    def offsets(self, layout: str) -> list[int]:
        """The first component of each block."""
        return list(accumulate((self.size(kind) for kind in layout), initial=0))[:-1]

    def by_rows(self, components: Sequence[int]) -> VectorFormula:
        """The derivative by blocks of the rows; see `Formula.by_rows`."""
        total = self._paired()
        outputs = [self._slope(total, "row", block) for block in self._blocks(self.rows, components)]
        return replace(self, rows=self.rows + self.layout, outputs=tuple(outputs))

    def by_columns(self, components: Sequence[int]) -> VectorFormula:
        """The derivative by blocks of the columns, summed over the rows; see `Formula.by_columns`."""
        total = self._paired()
        outputs = [self._slope(total, "column", block) for block in self._blocks(self.columns, components)]
        swapped = tuple(map(_swapped, outputs))
        return replace(self, rows=self.columns, columns=self.rows + self.layout, outputs=swapped)

    def by_parameters(self, components: Sequence[int]) -> VectorFormula:
        """The derivative by parameters; see `Formula.by_parameters`."""
        slopes = gradient((self._paired(),), (ONE,), [leaf("parameter", component) for component in components])
        return replace(self, rows=self.rows + self.layout, outputs=slopes)

    def tangent(self, rows: Sequence[int], columns: Sequence[int], parameters: Sequence[int]) -> VectorFormula:
        """The derivative along tangents of the given components; see `Formula.tangent`."""
        sides = {"row": (self.rows, rows, row_vector), "column": (self.columns, columns, column_vector)}
        scalars = {
            leaf("parameter", k): leaf("parameter", self.parameters + index) for index, k in enumerate(parameters)
        }
        vectors: dict[int, list[tuple[float, int]]] = defaultdict(list)
        layouts = {}
        for side, (layout, components, number) in sides.items():
            blocks = self._blocks(layout, components)
            for index, block in enumerate(blocks, len(layout)):
                if layout[block] == SCALAR:
                    scalars[leaf(side, block)] = leaf(side, index)
                    continue
                for vector, sign in _moved_by(side, number(block)):
                    vectors[vector].append((sign, number(index)))
            layouts[side] = layout + "".join(layout[block] for block in blocks)
        outputs = tuple(_tangent(output, scalars, vectors) for output in self.outputs)
        count = self.parameters + len(parameters)
        return replace(self, rows=layouts["row"], columns=layouts["column"], parameters=count, outputs=outputs)

    def row_gradient(self, components: Sequence[int]) -> VectorFormula:
        """The slopes of outputs that are numbers; see `Formula.row_gradient`."""
        slopes: list[Expression | VectorSum] = []
        for output in self.outputs:
            assert isinstance(output, Expression)  # asked of potentials alone
            slopes += (self._slope(output, "row", block) for block in self._blocks(self.rows, components))
        return replace(self, outputs=tuple(slopes))

    def with_row_gradient(self, components: Sequence[int]) -> VectorFormula:
        """The outputs followed by their slopes; see `Formula.with_row_gradient`."""
        return replace(self, outputs=self.outputs + self.row_gradient(components).outputs)

    def rewritten(self, rewrite: Rewriting) -> VectorFormula:
        """The same with other expressions, numbers as well as coefficients."""
        flat = [[output] if isinstance(output, Expression) else [h for h, _ in output] for output in self.outputs]
        new = iter(rewrite([expression for part in flat for expression in part]))
        outputs = (
            next(new) if isinstance(output, Expression) else tuple((next(new), v) for _, v in output)
            for output in self.outputs
        )
        return replace(self, outputs=tuple(outputs))

    def expanded(self) -> tuple[Expression, ...]:
        """The outputs as expressions of components, block after block."""
        starts = {"row": self.offsets(self.rows), "column": self.offsets(self.columns)}

        def component(vector: int, axis: int) -> Expression:
            if vector == DELTA:
                return _shortest(axis, self.periods[axis])
            side, block = block_of(vector)
            return leaf(side, starts[side][block] + axis)

        def expand(old: Expression, parts: tuple[Expression, ...]) -> Expression:
            if old.operation in starts:
                return leaf(old.operation, starts[old.operation][int(old.value)])
            if old.operation not in _INNER.values():
                return old.with_arguments(parts)
            u, v = factors(old)
            return _total(
                square(component(u, axis)) if u == v else multiply(component(u, axis), component(v, axis))
                for axis in range(self.dimension)
            )

        outputs: list[Expression] = []
        for output in self.outputs:
            if isinstance(output, Expression):
                outputs += rebuild([output], expand)
                continue
            coefficients = rebuild([coefficient for coefficient, _ in output], expand)
            outputs += (
                _total(multiply(h, component(v, axis)) for h, (_, v) in zip(coefficients, output, strict=True))
                for axis in range(self.dimension)
            )
        return tuple(outputs)

    def _paired(self) -> Expression:
        """``Σ ⟨g, f⟩`` of the outputs f with cotangents g that follow the row's data."""
        total = ZERO
        for block, output in enumerate(self.outputs, len(self.rows)):
            if isinstance(output, Expression):
                total = add(total, multiply(leaf("row", block), output))
            else:
                total = add(total, _total(multiply(h, inner(row_vector(block), v)) for h, v in output))
        return total

    def _slope(self, total: Expression, side: str, block: int) -> Expression | VectorSum:
        """The derivative of a scalar expression by one block."""
        layout, number = (self.rows, row_vector) if side == "row" else (self.columns, column_vector)
        if layout[block] == SCALAR:
            return gradient((total,), (ONE,), [leaf(side, block)])[0]
        moving = dict(_moved_by(side, number(block)))
        products = [current for current in topological((total,)) if current.operation in _INNER.values()]
        terms: dict[int, Expression] = defaultdict(lambda: ZERO)
        for product, slope in zip(products, gradient((total,), (ONE,), products), strict=True):
            u, v = factors(product)
            for own, other in ((u, v), (v, u)):
                if own in moving:
                    terms[other] = add(terms[other], multiply(constant(moving[own]), slope))
        return tuple((slope, v) for v, slope in sorted(terms.items()) if slope is not ZERO)

    def _blocks(self, layout: str, components: Sequence[int]) -> list[int]:
        """The blocks that some components make up."""
        starts = self.offsets(layout)
        blocks = [block for block, start in enumerate(starts) if start in set(components)]
        assert sum(self.size(layout[block]) for block in blocks) == len(components)
        return blocks


def _moved_by(side: str, vector: int) -> list[tuple[int, float]]:
    """The vectors that move with one of the row, or of the column, and how: with a point the difference does."""
    sign = 1.0 if side == "row" else -1.0
    return [(vector, 1.0), (DELTA, sign)] if block_of(vector)[1] == 0 else [(vector, 1.0)]


def _tangent(
    output: Expression | VectorSum,
    scalars: dict[Expression, Expression],
    vectors: dict[int, list[tuple[float, int]]],
) -> Expression | VectorSum:
    coefficients = [output] if isinstance(output, Expression) else [coefficient for coefficient, _ in output]
    moving = dict(scalars)
    for current in topological(coefficients):
        if current.operation in _INNER.values():
            u, v = factors(current)
            moved = [(sign, w, v) for sign, w in vectors.get(u, [])] + [(sign, u, w) for sign, w in vectors.get(v, [])]
            moving[current] = _total(multiply(constant(sign), inner(a, b)) for sign, a, b in moved)
    slopes = tangent(coefficients, moving)
    if isinstance(output, Expression):
        return slopes[0]
    terms: dict[int, Expression] = defaultdict(lambda: ZERO)
    for slope, (coefficient, v) in zip(slopes, output, strict=True):
        terms[v] = add(terms[v], slope)
        for sign, w in vectors.get(v, []):
            terms[w] = add(terms[w], multiply(constant(sign), coefficient))
    return tuple((slope, v) for v, slope in sorted(terms.items()) if slope is not ZERO)


def _swapped(output: Expression | VectorSum) -> Expression | VectorSum:
    """The same with rows and columns exchanged, which turns δ around."""

    def exchanged(vector: int) -> int:
        if vector == DELTA:
            return DELTA
        side, block = block_of(vector)
        return column_vector(block) if side == "row" else row_vector(block)

    def swap(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        if old.operation in _SWAPPED:
            return leaf(_SWAPPED[old.operation], int(old.value))
        if old.operation not in _INNER.values():
            return old.with_arguments(parts)
        u, v = factors(old)
        product = inner(exchanged(u), exchanged(v))
        return negate(product) if (u == DELTA) != (v == DELTA) else product

    if isinstance(output, Expression):
        return rebuild([output], swap)[0]
    coefficients = rebuild([coefficient for coefficient, _ in output], swap)
    return tuple((negate(h) if v == DELTA else h, exchanged(v)) for h, (_, v) in zip(coefficients, output, strict=True))


def _total(terms: Iterable[Expression]) -> Expression:
    total = ZERO
    for term in terms:
        total = add(total, term)
    return total


def _shortest(axis: int, period: int | None) -> Expression:
    """A component of δ on an axis with the parameter that is its period, or without one."""
    straight = subtract(leaf("row", axis), leaf("column", axis))
    if period is None:
        return straight
    length = leaf("parameter", period)
    return subtract(straight, multiply(length, unary("round", multiply(straight, reciprocal(length)))))


def periods_of(displacement: Sequence[Expression]) -> Periods | None:
    """The periods of the axes, from the components of a displacement; None for one of another form."""
    periods: list[int | None] = []
    for axis, component in enumerate(displacement):
        lengths = {int(part.value) for part in topological([component]) if part.operation == "parameter"}
        period = lengths.pop() if len(lengths) == 1 else None
        if component is not _shortest(axis, period):
            return None
        periods.append(period)
    return tuple(periods)


def weighted_radial(plane: Expression, periods: Periods, parameters: int, weights: int = 1) -> VectorFormula | None:
    """``f_e(x, (y, w)) = wₑ·k(x, y)`` on as many axes as there are periods, from the formula of k in the open plane.

    None if that depends on the points otherwise than through ``|x − y|²`` and ``⟨x, y⟩``.
    """
    distance = add(*(square(_shortest(axis, None)) for axis in range(2)))
    product = add(*(multiply(leaf("row", axis), leaf("column", axis)) for axis in range(2)))
    known = {distance: inner(DELTA, DELTA), product: inner(row_vector(0), column_vector(0))}
    (radial,) = rebuild([plane], lambda old, parts: known.get(old) or old.with_arguments(parts))
    if any(current.operation in _SWAPPED for current in topological([radial])):
        return None
    outputs = tuple(multiply(leaf("column", 1 + index), radial) for index in range(weights))
    return VectorFormula(VECTOR, VECTOR + weights * SCALAR, parameters, outputs, periods)
