"""Sums of formulas with inner products, by matrix products on tiles of pairs.

``|xᵢ − yⱼ|² = |xᵢ|² + |yⱼ|² − 2⟨xᵢ, yⱼ⟩`` loses digits where two points are near each other, so clouds are centred, and
the pairs that are near are done again from their differences. Where those are many, as in tight clusters far apart, a
tile in float32 is done in float64. On a torus all pairs are done from their differences.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final, Self

import torch
from torch import Tensor

from interflow.sums.backends.loop import outside
from interflow.sums.backends.tiles import Program, Tile, Workspace, block, compile_program, summand, tiles
from interflow.sums.backends.wrapped import WrappedDifferences
from interflow.sums.expression import Expression
from interflow.sums.optimise import Plan, plan_of
from interflow.sums.pairsum import PairSum
from interflow.sums.vectors import DELTA, VectorFormula, VectorSum, block_of, factors

NEAR: Final = {torch.float32: 1e-3, torch.float64: 1e-5}
"""The squared distance, relative to the size of the clouds, under which two points are near."""

MANY: Final = 0.05
"""The part of the pairs of a tile that may be near before float32 is given up."""

GATHERED: Final = 1 << 22
"""Numbers gathered at once for the differences of near points."""


def sum_by_products(formula: VectorFormula, pairs: PairSum, side: int) -> Tensor:
    """The sums ``(batch, components, N)``, on tiles of ``side²`` pairs."""
    made, program = _plan(formula)
    center = None
    if formula.of_differences:
        center = pairs.y[:, : formula.dimension].mean(-1, keepdim=True, dtype=torch.float64)
    rows = _Points(pairs.x, formula.dimension, center, tuple(formula.offsets(formula.rows)))
    columns = _Points(pairs.y, formula.dimension, center, tuple(formula.offsets(formula.columns)))
    before, after = outside(made, pairs.parameters, rows.leaf, pairs.x)
    workspaces = {pairs.x.dtype: Workspace(program, pairs.x)}
    size = formula.size(formula.layout)
    out = pairs.x.new_zeros(pairs.batch, size, pairs.x.shape[2], dtype=torch.float64)
    for tile in tiles((pairs.batch, pairs.x.shape[2], pairs.y.shape[2]), (side, side)):
        cut = tile, rows.cut(tile.batch, tile.rows), columns.cut(tile.batch, tile.columns), before
        part: _Part = _StraightPart(*cut) if formula.straight else _WrappedPart(*cut, _lengths(formula, pairs, tile))
        if DELTA in formula.vectors and part.loses_digits:
            part = part.double()
            workspaces.setdefault(part.dtype, Workspace(program, part.rows.given))
        values = workspaces[part.dtype].run(tile, part.leaf)
        sums = _Sums(part, program, values, after, pairs.skip_diagonal)
        total = torch.cat([sums.of(output, index) for output, index in _numbered(formula)], dim=2)
        out[tile.batch, :, tile.rows] += total.mT
    return out.to(pairs.x.dtype)


def predicted_seconds(formula: VectorFormula, pairs: PairSum) -> float:
    """The time of such a sum: of its matrix products, and of its operations on pairs."""
    _, program = _plan(formula)
    products = {leaf.value for _, leaf in program.leaves if leaf.operation == "inner"}
    vectors = sum(len(output) for output in formula.outputs if not isinstance(output, Expression))
    operations = len(program.instructions) + 4 * len(products) + 2 * len(program.results)
    flops = 2.0 * formula.dimension * (len(products) + vectors)
    if not formula.straight:
        operations += 6 * formula.dimension * (len(products) + vectors)
    rate = 3e10 * torch.get_num_threads() if pairs.device == "cpu" else 1e13
    return 3e-4 + pairs.pairs * (flops / rate + operations * 5e-11)


def _lengths(formula: VectorFormula, pairs: PairSum, tile: Tile) -> Tensor:
    """The periods of the axes, ``(1 or batch, d)`` in float64; 0 on an axis without one."""
    parameters = block(pairs.parameters, tile.batch)
    places = [parameters.shape[1] if period is None else period for period in formula.periods]
    return torch.nn.functional.pad(parameters, (0, 1))[:, places]


@lru_cache(maxsize=1024)
def _plan(formula: VectorFormula) -> tuple[Plan, Program]:
    """The plan of all numbers and coefficients of a formula, in order, and its inner loop."""
    flat: list[Expression] = []
    for output in formula.outputs:
        flat += [output] if isinstance(output, Expression) else [coefficient for coefficient, _ in output]
    made = plan_of(flat)
    return made, compile_program(made.inner)


def _numbered(formula: VectorFormula) -> Iterator[tuple[Expression | VectorSum, int]]:
    """The outputs, each with the place of its first expression in the plan."""
    index = 0
    for output in formula.outputs:
        yield output, index
        index += 1 if isinstance(output, Expression) else len(output)


@dataclass(frozen=True)
class _Points:
    """The data of the rows, or of the columns, in blocks.

    Attributes:
        given: ``(batch, components, n)``.
        dimension: d.
        center: what is taken from the points in block 0, ``(batch, d, 1)`` in float64; None where they are summed as
            they are, which a formula of more than differences wants.
        offsets: the first component of each block.
    """

    given: Tensor
    dimension: int
    center: Tensor | None
    offsets: tuple[int, ...]

    @cached_property
    def centred(self) -> Tensor:
        """The points about the center, which changes no difference, ``(batch, d, n)``."""
        points = self.given[:, : self.dimension]
        return points if self.center is None else (points - self.center).to(self.given.dtype)

    def number(self, index: int) -> Tensor:
        """The number in a block, ``(batch, n)``."""
        return self.given[:, self.offsets[index]]

    def vector(self, index: int) -> Tensor:
        """The vector in a block, ``(batch, d, n)``."""
        return self.given.narrow(1, self.offsets[index], self.dimension) if index else self.centred

    def product(self, a: int, b: int) -> Tensor:
        """The inner products of two vectors, ``(batch, n)``."""
        return (self.vector(a) * self.vector(b)).sum(1)

    def leaf(self, leaf: Expression) -> Tensor:
        """What a leaf of this side stands for, ``(batch, n)``."""
        if leaf.operation in ("row", "column"):
            return self.number(int(leaf.value))
        (_, a), (_, b) = map(block_of, factors(leaf))
        return self.product(a, b)

    def cut(self, batch: slice, points: slice) -> _Points:
        """Some of the points of some of the batch."""
        center = None if self.center is None else block(self.center, batch)
        return replace(self, given=block(self.given, batch)[..., points], center=center)

    def double(self) -> _Points:
        """The same in float64."""
        return replace(self, given=self.given.double())


@dataclass(frozen=True)
class _Part(ABC):
    """A tile with its points."""

    tile: Tile
    rows: _Points
    columns: _Points
    parameters: Tensor

    @property
    def dtype(self) -> torch.dtype:
        return self.rows.given.dtype

    @property
    @abstractmethod
    def loses_digits(self) -> bool:
        """Whether it is to be done in float64."""

    @property
    @abstractmethod
    def squared_distances(self) -> Tensor:
        """``|δᵢⱼ|²``."""

    @abstractmethod
    def along_difference(self, side: str, index: int) -> Tensor:
        """``⟨δᵢⱼ, v⟩`` for a vector v of the row, or of the column."""

    @abstractmethod
    def weighted_differences(self, coefficients: Tensor) -> Tensor:
        """``Σⱼ hᵢⱼ δᵢⱼ``, ``(batch, rows, d)``."""

    def double(self) -> Self:
        """The same in float64."""
        parts = self.rows.double(), self.columns.double(), self.parameters.double()
        return replace(self, rows=parts[0], columns=parts[1], parameters=parts[2])

    def leaf(self, leaf: Expression) -> Tensor:
        """What a leaf stands for, broadcast against ``(batch, rows, columns)``."""
        match leaf.operation:
            case "row" | "row_inner":
                return self.rows.leaf(leaf)[:, :, None]
            case "column" | "column_inner":
                return self.columns.leaf(leaf)[:, None, :]
            case "parameter":
                return block(self.parameters, self.tile.batch)[:, int(leaf.value), None, None]
        u, v = factors(leaf)
        if v == DELTA:
            return self.squared_distances
        if u == DELTA:
            return self.along_difference(*block_of(v))
        blocks = dict((block_of(u), block_of(v)))
        return torch.matmul(self.rows.vector(blocks["row"]).mT, self.columns.vector(blocks["column"]))


@dataclass(frozen=True)
class _WrappedPart(_Part):
    """A tile on a torus with these periods, ``(1 or batch, d)``."""

    lengths: Tensor
    loses_digits = False

    @cached_property
    def _differences(self) -> WrappedDifferences:
        x, y = (side.given[:, : side.dimension] for side in (self.rows, self.columns))
        return WrappedDifferences(x, y, self.lengths)

    @property
    def squared_distances(self) -> Tensor:
        return self._differences.squared.expand(self.tile.shape)

    def along_difference(self, side: str, index: int) -> Tensor:
        row = side == "row"
        vectors = self.rows.vector(index)[..., None] if row else self.columns.vector(index)[:, :, None]
        return self._differences.along(vectors).expand(self.tile.shape)

    def weighted_differences(self, coefficients: Tensor) -> Tensor:
        return self._differences.weighted(coefficients)


@dataclass(frozen=True)
class _StraightPart(_Part):
    """A tile in open space."""

    @property
    def loses_digits(self) -> bool:
        return self.dtype == torch.float32 and len(self.near) > MANY * self.squared_distances.numel()

    @cached_property
    def squared_distances(self) -> Tensor:
        """With the near pairs done from their differences."""
        result = self._expanded
        for index in self._near_in_pieces():
            result[index] = self.differences(index).square().sum(1)
        return result

    @cached_property
    def near(self) -> Tensor:
        """The indices of batch, row and column of the near pairs, ``(pairs, 3)``."""
        size = self.rows.product(0, 0).max() + self.columns.product(0, 0).max()
        limit = NEAR[self.dtype] * size
        return (self._expanded <= limit).nonzero() if self._expanded.amin() <= limit else limit.new_empty(0, 3).long()

    def differences(self, index: tuple[Tensor, ...]) -> Tensor:
        """``xᵢ − yⱼ`` of some pairs, ``(pairs, d)``."""
        b, i, j = index
        x, y = (side.given[:, : side.dimension] for side in (self.rows, self.columns))
        return _taken(x, b, i) - _taken(y, b, j)

    def _near_in_pieces(self) -> Iterator[tuple[Tensor, ...]]:
        for piece in self.near.split(max(1, GATHERED // self.rows.dimension)):
            if len(piece):
                yield piece.unbind(1)

    @cached_property
    def _expanded(self) -> Tensor:
        result = torch.matmul(self.rows.vector(0).mT, -2.0 * self.columns.vector(0))
        result += self.rows.product(0, 0)[:, :, None]
        result += self.columns.product(0, 0)[:, None, :]
        return result.expand(self.tile.shape).clamp_(min=0.0)

    def along_difference(self, side: str, index: int) -> Tensor:
        if side == "row":
            vector = self.rows.vector(index)
            result = self.rows.product(0, index)[:, :, None] - torch.matmul(vector.mT, self.columns.vector(0))
        else:
            vector = self.columns.vector(index)
            result = torch.matmul(self.rows.vector(0).mT, vector) - self.columns.product(0, index)[:, None, :]
        result = result.expand(self.tile.shape).contiguous()
        for b, i, j in self._near_in_pieces():
            along = _taken(vector, b, i if side == "row" else j)
            result[b, i, j] = (self.differences((b, i, j)) * along).sum(1)
        return result

    def weighted_differences(self, coefficients: Tensor) -> Tensor:
        near = list(self._near_in_pieces())
        gathered = [coefficients[place] for place in near]
        if near:
            coefficients = coefficients.clone()
            for place in near:
                coefficients[place] = 0.0
        result = coefficients.sum(-1, keepdim=True) * self.rows.vector(0).mT
        result = result - torch.matmul(coefficients, self.columns.vector(0).mT)
        for (b, i, j), h in zip(near, gathered, strict=True):
            result.index_put_((b, i), h[:, None] * self.differences((b, i, j)), accumulate=True)
        return result


def _taken(vectors: Tensor, batch: Tensor, points: Tensor) -> Tensor:
    """Vectors ``(1 or batch, d, n)`` by index, ``(pairs, d)``."""
    return vectors[batch if len(vectors) > 1 else torch.zeros_like(batch), :, points]


@dataclass(frozen=True)
class _Sums:
    """The sums over the columns of a tile, whose inner loop has been done."""

    part: _Part
    program: Program
    values: list[Tensor]
    after: dict[int, Tensor]
    skip_diagonal: bool

    def of(self, output: Expression | VectorSum, index: int) -> Tensor:
        """An output, ``(batch, rows, 1 or d)``; ``index`` is the place of its first expression."""
        if isinstance(output, Expression):
            return self._scaled(self._summand(index).sum(-1, keepdim=True), index)
        shape = (self.part.tile.shape[0], self.part.tile.shape[1], self.part.rows.dimension)
        total = self.part.rows.given.new_zeros(shape)
        for place, (_, vector) in enumerate(output, index):
            total += self._scaled(self._vector(vector, place), place)
        return total

    def _vector(self, vector: int, index: int) -> Tensor:
        coefficients = self._summand(index)
        if vector == DELTA:
            return self.part.weighted_differences(coefficients)
        side, place = block_of(vector)
        if side == "row":
            return coefficients.sum(-1, keepdim=True) * self.part.rows.vector(place).mT
        return torch.matmul(coefficients, self.part.columns.vector(place).mT)

    def _summand(self, index: int) -> Tensor:
        return summand(self.values, self.program.results[index], self.part.tile, self.skip_diagonal)

    def _scaled(self, sums: Tensor, index: int) -> Tensor:
        """Sums times what does not depend on the column."""
        if index not in self.after:
            return sums
        scale = self.after[index]
        tile = self.part.tile
        return sums * block(scale, tile.batch)[:, tile.rows if scale.shape[1] > 1 else slice(None), None]
