"""Sums over pairs of points with many coordinates, by matrix products on tiles of pairs.

``|xᵢ − yⱼ|² = |xᵢ|² + |yⱼ|² − 2⟨xᵢ, yⱼ⟩`` cancels where two points are near each other. Clouds are therefore centred,
and near pairs are recomputed from their differences. A tile with many of them, as in tight clusters far apart, is
summed in float64 instead of float32. On a torus differences of all pairs are made, a few components at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final, Self

import torch
from torch import Tensor

from interflow.sums.backends.loop import outside
from interflow.sums.backends.tiles import Program, Workspace, block, compile_program, summand, tiles
from interflow.sums.expression import Expression
from interflow.sums.optimise import Plan, plan_of
from interflow.sums.pairsum import PairSum
from interflow.sums.vectors import DELTA, VectorFormula, block_of, factors

NEAR_PAIR_RATIO: Final = {torch.float32: 1e-3, torch.float64: 1e-5}
"""Squared distance, relative to the squared size of the clouds, under which a pair is recomputed from differences."""

MAX_NEAR_FRACTION: Final = 0.05
"""Fraction of the pairs of a tile that may be near before the tile is summed in another way."""

GATHER_CHUNK: Final = 1 << 22
"""Numbers in the differences of near pairs that are made at once."""

PERIODIC_CHUNK: Final = 1 << 19
"""Numbers in the differences on a torus that are made at once; they should fit the cache."""


def predicted_seconds(formula: VectorFormula, pairs: PairSum) -> float:
    """Predicted seconds of `matmul_sum`: its matrix products, and its operations on pairs."""
    _, program = _plan_sum(formula)
    products = {leaf.value for _, leaf in program.leaves if leaf.operation == "inner"}
    vectors = sum(len(output) for output in formula.outputs if not isinstance(output, Expression))
    operations = len(program.instructions) + 4 * len(products) + 2 * len(program.results)
    flops = 2.0 * formula.dimension * (len(products) + vectors)
    if not formula.straight:
        operations += 6 * formula.dimension * (len(products) + vectors)
    rate = 3e10 * torch.get_num_threads() if pairs.device == "cpu" else 1e13
    return 3e-4 + pairs.pairs * (flops / rate + operations * 5e-11)


def matmul_sum(formula: VectorFormula, sums: PairSum, tile: int) -> Tensor:
    """Sums ``(batch, components, N)`` of a formula over the columns, on tiles of ``tile²`` pairs."""
    plan, program = _plan_sum(formula)
    center = sums.y[:, None, : formula.dimension].mean(-1, dtype=torch.float64).to(sums.x.dtype)
    if not formula.of_differences:
        center = torch.zeros_like(center)  # the formula depends on where the points are
    rows = CentredPoints.centred_at(center, sums.x, formula.offsets(formula.rows))
    columns = CentredPoints.centred_at(center, sums.y, formula.offsets(formula.columns))
    parameters, scales = outside(plan, sums.parameters, rows.leaf, sums.x)
    workspace = Workspace(program, sums.x)
    sizes = sums.batch, sums.x.shape[2], sums.y.shape[2]
    out = sums.x.new_zeros(sizes[0], formula.size(formula.layout), sizes[1], dtype=torch.float64)
    for part in tiles(sizes, (tile, tile)):
        tile_data = rows.cut(part.batch, part.rows), columns.cut(part.batch, part.columns), part.shape, workspace
        pairs: Pairs = OpenPairs(*tile_data)
        if not formula.straight:
            pairs = _PeriodicPairs(*tile_data, _lengths(formula, block(sums.parameters, part.batch)))
        before = block(parameters, part.batch)
        if pairs.dtype == torch.float32 and DELTA in formula.vectors and pairs.has_many_near_pairs:
            pairs, before = pairs.double(), before.double()
        values = pairs.workspace.run(part, lambda leaf, p=pairs, b=before: p.leaf(leaf, b))  # type: ignore[misc]
        for place, (components, vector) in enumerate(_terms(formula)):
            total = pairs.total(summand(values, program.results[place], part, sums.skip_diagonal), vector)
            if place in scales:
                scale = block(scales[place], part.batch)
                total = total * (scale[:, part.rows] if scale.shape[1] > 1 else scale)[..., None]
            out[part.batch, components, part.rows] += total.mT
    return out.to(sums.x.dtype)


@lru_cache(maxsize=1024)
def _plan_sum(formula: VectorFormula) -> tuple[Plan, Program]:
    """The plan of all numbers and coefficients of a formula, in the order of `_terms`, and its inner loop."""
    flat: list[Expression] = []
    for output in formula.outputs:
        flat += [output] if isinstance(output, Expression) else [coefficient for coefficient, _ in output]
    plan = plan_of(flat)
    return plan, compile_program(plan.inner)


def _terms(formula: VectorFormula) -> Iterator[tuple[slice, int | None]]:
    """For each expression, the components of the sums that it adds to, and the vector that it multiplies if any."""
    for output, start in zip(formula.outputs, formula.offsets(formula.layout), strict=True):
        if isinstance(output, Expression):
            yield slice(start, start + 1), None
        else:
            yield from ((slice(start, start + formula.dimension), vector) for _, vector in output)


def _lengths(formula: VectorFormula, parameters: Tensor) -> Tensor:
    """The periods of the axes, ``(1 or batch, d)`` in float64; 0 on an axis without one."""
    places = [parameters.shape[1] if period is None else period for period in formula.periods]
    return torch.nn.functional.pad(parameters, (0, 1))[:, places]


@dataclass(frozen=True)
class CentredPoints:
    """Rows or columns of a sum: blocks of data, of which the first is the points; a batch of 1 stands for all others.

    Attributes:
        data: ``(1 or batch, components, n)``.
        offsets: first component of each block.
        center: what is subtracted from the points, which changes no difference, ``(1 or batch, 1, d)``.
        augmented: the centred points, followed by a 1, ``(1 or batch, n, d + 1)``.
        squares: squared norms of the centred points, ``(1 or batch, n)``.
    """

    data: Tensor
    offsets: Sequence[int]
    center: Tensor
    augmented: Tensor
    squares: Tensor

    @classmethod
    def centred_at(cls, center: Tensor, data: Tensor, offsets: Sequence[int]) -> CentredPoints:
        """Points with the center subtracted."""
        augmented = torch.nn.functional.pad(data[:, : center.shape[2]].mT - center, (0, 1), value=1.0)
        return cls(data, offsets, center, augmented, augmented[..., :-1].square().sum(-1))

    @property
    def points(self) -> Tensor:
        """The points as they came, ``(1 or batch, n, d)``."""
        return self.data[:, : self.center.shape[2]].mT

    @property
    def centred(self) -> Tensor:
        """The centred points, ``(1 or batch, n, d)``."""
        return self.augmented[..., :-1]

    def number(self, index: int) -> Tensor:
        """The number in a block, ``(1 or batch, n)``."""
        return self.data[:, self.offsets[index]]

    def vector(self, index: int) -> Tensor:
        """The vector in a block, ``(1 or batch, n, d)``; in the first one the points as they came."""
        return self.data.narrow(1, self.offsets[index], self.center.shape[2]).mT

    def leaf(self, leaf: Expression) -> Tensor:
        """The values ``(1 or batch, n)`` of a leaf of this side: a number, or the inner product of two vectors."""
        if leaf.operation in ("row", "column"):
            return self.number(int(leaf.value))
        (_, a), (_, b) = map(block_of, factors(leaf))
        return (self.vector(a) * self.vector(b)).sum(-1)

    def cut(self, batch: slice, points: slice) -> CentredPoints:
        """Some of the points of some of the batch."""
        count, _, n = self.data.shape
        if points == slice(0, n) and (count == 1 or batch == slice(0, count)):
            return self
        data, center = block(self.data, batch)[..., points], block(self.center, batch)
        augmented, squares = block(self.augmented, batch)[:, points], block(self.squares, batch)[:, points]
        return CentredPoints(data, self.offsets, center, augmented, squares)

    def double(self) -> CentredPoints:
        """The points in float64."""
        return CentredPoints.centred_at(self.center.double(), self.data.double(), self.offsets)


@dataclass(frozen=True)
class Pairs(ABC):
    """The pairs of a tile, with displacements δ.

    Attributes:
        rows: the points x.
        columns: the points y.
        shape: ``(batch, rows, columns)``.
        workspace: the inner loop and its memory.
    """

    rows: CentredPoints
    columns: CentredPoints
    shape: tuple[int, int, int]
    workspace: Workspace

    @property
    def dtype(self) -> torch.dtype:
        return self.rows.data.dtype

    @property
    def has_many_near_pairs(self) -> bool:
        """Whether inner products with δ should be computed in another way, since too many would lose digits."""
        return False

    @property
    @abstractmethod
    def squared_distances(self) -> Tensor:
        """``|δᵢⱼ|²``."""

    @abstractmethod
    def along(self, side: str, index: int) -> Tensor:
        """``⟨δᵢⱼ, v⟩`` for the vector v in a block of the rows, or of the columns."""

    @abstractmethod
    def weighted_differences(self, h: Tensor) -> Tensor:
        """``Σⱼ hᵢⱼ δᵢⱼ``, ``(batch, rows, d)``."""

    def double(self) -> Self:
        """The pairs in float64."""
        rows = self.rows.double()
        return replace(
            self, rows=rows, columns=self.columns.double(), workspace=Workspace(self.workspace.program, rows.data)
        )

    def leaf(self, leaf: Expression, parameters: Tensor) -> Tensor:
        """The values of a leaf, which broadcast to ``(batch, rows, columns)``."""
        match leaf.operation:
            case "row" | "row_inner":
                return self.rows.leaf(leaf)[:, :, None]
            case "column" | "column_inner":
                return self.columns.leaf(leaf)[:, None, :]
            case "parameter":
                return parameters[:, int(leaf.value), None, None]
        u, v = factors(leaf)
        if v == DELTA:
            return self.squared_distances
        if u == DELTA:
            return self.along(*block_of(v))
        blocks = dict((block_of(u), block_of(v)))
        return torch.matmul(self.rows.vector(blocks["row"]), self.columns.vector(blocks["column"]).mT)

    def total(self, h: Tensor, vector: int | None) -> Tensor:
        """``Σⱼ hᵢⱼ``, ``(batch, rows, 1)``; or with a vector ``Σⱼ hᵢⱼ v``, ``(batch, rows, d)``."""
        if vector is None:
            return h.sum(-1, keepdim=True)
        if vector == DELTA:
            return self.weighted_differences(h)
        side, index = block_of(vector)
        if side == "row":
            return h.sum(-1, keepdim=True) * self.rows.vector(index)
        return torch.matmul(h, self.columns.vector(index))


_Index = tuple[Tensor, ...]
"""Batch, row and column of some pairs."""


@dataclass(frozen=True)
class OpenPairs(Pairs):
    """Pairs in open space, whose displacements are differences.

    Attributes:
        is_diagonal_block: whether i = j is a point with itself, at distance 0.
        weights: of the rows and the columns, if a pair without weight on either side does not matter.
    """

    is_diagonal_block: bool = False
    weights: tuple[Tensor, Tensor] | None = None

    @cached_property
    def has_many_near_pairs(self) -> bool:
        return len(self._near) > MAX_NEAR_FRACTION * self._expanded.numel()

    @cached_property
    def squared_distances(self) -> Tensor:
        return self._recompute_near(self._expanded)

    def along(self, side: str, index: int) -> Tensor:
        x, y = self.rows.centred, self.columns.centred
        if side == "row":
            vectors = self.rows.vector(index)
            products = (x * vectors).sum(-1)[:, :, None] - torch.matmul(vectors, y.mT)
        else:
            vectors = self.columns.vector(index)
            products = torch.matmul(x, vectors.mT) - (y * vectors).sum(-1)[:, None, :]
        return self._recompute_near(products.expand(self.shape).contiguous(), vectors, 1 if side == "row" else 2)

    def weighted_differences(self, h: Tensor, weights: Tensor | None = None, *, mirrored: bool = False) -> Tensor:
        """``Σⱼ hᵢⱼ wⱼ δᵢⱼ``, ``(batch, rows, d)``, or mirrored ``−Σᵢ hᵢⱼ wᵢ δᵢⱼ``, ``(batch, columns, d)``."""
        near = list(self._near_chunks())
        h_near = [h[index] for index in near]
        if near:
            h = h.clone()
            for index in near:
                h[index] = 0.0
        own, other = (self.columns, self.rows) if mirrored else (self.rows, self.columns)
        targets = other.augmented if weights is None else weights[..., None] * other.augmented
        product = torch.matmul(h.mT if mirrored else h, targets)
        result = torch.addcmul(product[..., :-1], product[..., -1:], own.centred, value=-1.0).neg_()
        for index, part in zip(near, h_near, strict=True):
            b, i, j = (index[0], index[2], index[1]) if mirrored else index
            pull = part if weights is None else part * weights[b, j]
            pull = -pull if mirrored else pull
            result.index_put_((b, i), pull[:, None] * self._differences(index), accumulate=True)
        return result

    @cached_property
    def _expanded(self) -> Tensor:
        batch = self.shape[0]
        x, y = (side.centred.expand(batch, -1, -1) for side in (self.rows, self.columns))
        memory = self.workspace.scratch(self.shape)
        result = torch.baddbmm(self.columns.squares[:, None], x, y.mT, alpha=-2.0, out=memory)
        result += self.rows.squares[:, :, None]
        return result.clamp_(min=0.0)

    @cached_property
    def _near(self) -> Tensor:
        """Batch, row and column of the near pairs, ``(pairs, 3)``, without those of a point with itself."""
        distances = self._expanded
        if self.is_diagonal_block:
            distances.diagonal(0, 1, 2).fill_(torch.inf)
        limit = NEAR_PAIR_RATIO[self.dtype] * (self.rows.squares.max() + self.columns.squares.max())
        near = (distances <= limit).nonzero() if distances.amin() <= limit else distances.new_empty(0, 3).long()
        if self.is_diagonal_block:
            distances.diagonal(0, 1, 2).zero_()
        if self.weights is not None and len(near):
            b, i, j = near.unbind(1)
            near = near[(self.weights[0][b, i] != 0) | (self.weights[1][b, j] != 0)]
        return near

    def _near_chunks(self) -> Iterator[_Index]:
        chunks = self._near.split(max(1, GATHER_CHUNK // self.rows.centred.shape[2])) if len(self._near) else ()
        return (chunk.unbind(1) for chunk in chunks)

    def _differences(self, index: _Index) -> Tensor:
        """``xᵢ − yⱼ`` of some pairs, ``(pairs, d)``."""
        b, i, j = index
        return _take(self.rows.points, b, i) - _take(self.columns.points, b, j)

    def _recompute_near(self, products: Tensor, vectors: Tensor | None = None, side: int = 1) -> Tensor:
        """Overwrite ``⟨δ, v⟩`` of near pairs; v is δ, or a vector of the rows (side 1) or of the columns (side 2)."""
        for index in self._near_chunks():
            differences = self._differences(index)
            factor = differences if vectors is None else _take(vectors, index[0], index[side])
            products[index] = (differences * factor).sum(1)
        return products


def _take(vectors: Tensor, batch: Tensor, points: Tensor) -> Tensor:
    """Vectors ``(1 or batch, n, d)`` by index, ``(pairs, d)``."""
    return vectors[batch if len(vectors) > 1 else torch.zeros_like(batch), points]


@dataclass(frozen=True)
class _PeriodicPairs(Pairs):
    """Pairs on a torus: ``δ = (x − y) − L·round((x − y)/L)``, which is never made for all components together.

    Attributes:
        lengths: the periods L, ``(1 or batch, d)`` in float64; 0 on an axis without one.
    """

    lengths: Tensor

    @cached_property
    def squared_distances(self) -> Tensor:
        return self._sum(part.square_() for _, part in self._chunks())

    def along(self, side: str, index: int) -> Tensor:
        vectors = self.rows.vector(index).mT[..., None] if side == "row" else self.columns.vector(index).mT[:, :, None]
        return self._sum(part * vectors[:, axes] for axes, part in self._chunks())

    def weighted_differences(self, h: Tensor) -> Tensor:
        return torch.cat([(h[:, None] * part).sum(-1) for _, part in self._chunks()], 1).mT

    def _sum(self, chunks: Iterator[Tensor]) -> Tensor:
        total = next(chunks).sum(1)
        for part in chunks:
            total += part.sum(1)
        return total.expand(self.shape)

    def _chunks(self) -> Iterator[tuple[slice, Tensor]]:
        """Some components of δ, ``(1 or batch, some, rows, columns)``, and which they are."""
        x, y = (side.points.mT.contiguous() for side in (self.rows, self.columns))
        size = max(1, PERIODIC_CHUNK // (max(len(x), len(y), len(self.lengths)) * x.shape[2] * y.shape[2]))
        inverse = torch.where(self.lengths > 0.0, self.lengths.reciprocal(), 0.0).to(x.dtype)
        lengths = self.lengths.to(x.dtype)
        for start in range(0, x.shape[1], size):
            axes = slice(start, start + size)
            straight = x[:, axes, :, None] - y[:, axes, None, :]
            turns = (straight * inverse[:, axes, None, None]).round_()
            yield axes, straight - turns * lengths[:, axes, None, None]
