"""Plain torch operations on tiles that stay in the processor's cache."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.sums.autograd import note_backend
from interflow.sums.backends.base import Factors, register_backend
from interflow.sums.backends.loop import LoopBackend, operations_per_pair
from interflow.sums.backends.matmul import matmul_sum, predicted_seconds
from interflow.sums.backends.matmul_distance import MatmulKernelDistance
from interflow.sums.backends.tiles import Tile, Workspace, block, compile_program, on_smaller_tiles, summand, tiles
from interflow.sums.cache import ValueCache
from interflow.sums.evaluation import cached_scalar, evaluate
from interflow.sums.expression import Expression
from interflow.sums.formula import MANY_COORDINATES, lookup_vectors
from interflow.sums.pairsum import PairSum, reduced


@register_backend
@dataclass(frozen=True)
class Dense(LoopBackend):
    """Exact sums by torch operations on tiles of about ``tile²`` pairs, with memory O(N + tile²), on any device.

    A tile has ``2·tile`` rows and ``tile/2`` columns: sums in the positions' dtype are short, and those of tiles are
    added up in float64. Points with many coordinates go through matrix products, where the kernel depends on the
    distance alone. Where memory runs out it warns, and goes on with smaller tiles.

    Args:
        tile: side of a square of as many pairs; the working set of a few tiles should fit the cache.

    Example:
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Dense(tile=256))
        tensor([1., 1.])
    """

    tile: int = 768
    name = "dense"

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ArgumentError("tile", came=self.tile, wanted="a positive whole number")

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        return None

    def run_seconds(self, pairs: PairSum) -> float:
        vectors = lookup_vectors(pairs.summed_formula)
        if vectors is not None:
            return predicted_seconds(vectors, pairs)
        operations, _ = operations_per_pair(pairs.summed_formula)
        tiles = pairs.batch * -(-pairs.row_count // self.tile) * -(-pairs.column_count // self.tile)
        return 3e-4 + operations * (tiles * 4e-6 + pairs.pairs * 8e-11)

    def pair_sum(self, pairs: PairSum) -> Tensor:
        return on_smaller_tiles(lambda tile: replace(self, tile=tile)._on_tiles(pairs), self.tile)

    def _on_tiles(self, pairs: PairSum) -> Tensor:
        vectors = lookup_vectors(pairs.formula)
        return (
            super().pair_sum(pairs)
            if vectors is None or pairs.reduction == "max"
            else matmul_sum(vectors, pairs, self.tile)
        )

    def kernel_distance(
        self, pairs: PairSum, factors: Factors, self_pairs: bool, cache: ValueCache[Tensor] | None
    ) -> Tensor:
        from_pair_sums = super().kernel_distance
        of_x, of_y = factors
        value = None
        if pairs.dimension >= MANY_COORDINATES and isinstance(of_x, float) and isinstance(of_y, float):
            distance = MatmulKernelDistance(
                pairs,
                (of_x, of_y),
                self_pairs,
                self.tile,
                lambda other: from_pair_sums(other, factors, self_pairs, None),
            )
            value = distance.value()
        if value is None:
            return from_pair_sums(pairs, factors, self_pairs, cache)
        note_backend(self.name)
        return value

    def sum_loop(self, pairs: PairSum, body: tuple[Expression, ...]) -> Tensor:
        if pairs.pairs <= _SMALL and 2 * pairs.column_count <= self.tile:
            return _at_once(pairs, body)
        terms = _terms(body) if pairs.reduction == "sum" else [_Term(part, [at], []) for at, part in enumerate(body)]
        wanted = tuple(part for term in terms for part in (term.summand, *term.factors))
        program = compile_program(wanted, _ones(pairs.parameters))
        workspace = Workspace(program, pairs.x)
        out = pairs.x.new_full((pairs.batch, len(body), pairs.row_count), pairs.neutral, dtype=torch.float64)
        for tile in tiles((pairs.batch, pairs.row_count, pairs.column_count), (2 * self.tile, max(self.tile // 2, 1))):
            values = workspace.run(tile, lambda leaf, tile=tile: _data(leaf, tile, pairs))  # type: ignore[misc]
            slots = iter(program.results)
            for term in terms:
                part = summand(values, next(slots), tile, pairs.skip_diagonal, pairs.neutral)
                factors = [values[next(slots)][:, 0] for _ in term.factors]
                if pairs.reduction == "max":
                    place = out[tile.batch, term.outputs, tile.rows]
                    out[tile.batch, term.outputs, tile.rows] = torch.maximum(place, part.amax(-1)[:, None].double())
                else:
                    sums = torch.matmul(part, torch.stack(factors, -1)).mT if factors else part.sum(-1)[:, None]
                    out[tile.batch, term.outputs, tile.rows] += sums
        return out.to(pairs.x.dtype)


class _Term(NamedTuple):
    """Outputs that are multiples of one summand, each by a factor of the column; or a single one, without factors."""

    summand: Expression
    outputs: list[int]
    factors: list[Expression]


def _terms(body: tuple[Expression, ...]) -> list[_Term]:
    """The outputs taken together, so that those of one summand are a product of matrices."""
    together: dict[Expression, _Term] = {}
    for output, expression in enumerate(body):
        for factor, rest in _splits(expression):
            term = together.setdefault(rest, _Term(rest, [], []))
            term.outputs.append(output)
            term.factors.append(factor)
    shared = [term for term in together.values() if len(term.outputs) > 1]
    done = {output for term in shared for output in term.outputs}
    return shared + [_Term(part, [output], []) for output, part in enumerate(body) if output not in done]


def _splits(expression: Expression) -> Iterator[tuple[Expression, Expression]]:
    """A product of a factor of the column alone with one that differs from pair to pair, if it is one."""
    if expression.operation == "multiply":
        for factor, rest in itertools.permutations(expression.arguments):
            if factor.sides == {"column"} and rest.per_pair:
                yield factor, rest


_SMALL = 1 << 14
"""Pairs up to which a sum is one tile, whose results need no places that are used again."""


def _at_once(pairs: PairSum, body: tuple[Expression, ...]) -> Tensor:
    rows, columns, parameters = pairs.x[..., None], pairs.y[:, :, None], pairs.parameters[..., None, None]
    leaves = {"row": rows.unbind(1), "column": columns.unbind(1), "parameter": parameters.unbind(1)}
    values = evaluate(body, lambda leaf: leaves[leaf.operation][int(leaf.value)], like=pairs.x, scalar=cached_scalar)
    shape = (pairs.batch, pairs.row_count, pairs.column_count)
    parts = [value if value.shape == shape else value.expand(shape) for value in values]
    if pairs.skip_diagonal:
        parts = [part.clone() for part in parts]
        for part in parts:
            part.diagonal(0, 1, 2).fill_(pairs.neutral)
    return torch.stack([reduced(part, pairs.reduction) for part in parts], dim=1)


def _ones(parameters: Tensor) -> frozenset[int] | None:
    """Which parameters are 1; None where to read them would wait for a device, or they differ in the batch."""
    if parameters.device.type != "cpu" or parameters.shape[0] != 1:
        return None
    return frozenset(index for index, value in enumerate(parameters[0].tolist()) if value == 1.0)


def _data(leaf: Expression, tile: Tile, pairs: PairSum) -> Tensor:
    index = int(leaf.value)
    if leaf.operation == "row":
        return block(pairs.x, tile.batch)[:, index, tile.rows, None]
    if leaf.operation == "column":
        return block(pairs.y, tile.batch)[:, index, None, tile.columns]
    return block(pairs.parameters, tile.batch)[:, index, None, None]
