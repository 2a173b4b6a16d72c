"""Plain torch operations on tiles that stay in the processor's cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import NamedTuple

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.sums.backends.base import Job, PairBackend, Request, operations_per_pair
from interflow.sums.evaluation import number
from interflow.sums.expression import ONE, ZERO, Expression, topological
from interflow.sums.operations import OPERATIONS, multiply, where


@dataclass(frozen=True)
class Dense(PairBackend):
    """Exact sums by torch operations on tiles of about ``tile²`` pairs, with memory O(N + tile²), on any device.

    A tile has ``2·tile`` rows and ``tile/2`` columns: sums in the positions' dtype are short, and those of tiles are
    added up in float64.

    Args:
        tile: side of a square of as many pairs; the working set of a few tiles should fit the cache.
    """

    tile: int = 768
    name = "dense"

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ArgumentError("tile", came=self.tile, wanted="a positive whole number")

    def obstacle(self, request: Request) -> str | None:
        return None

    def cost(self, request: Request) -> float:
        operations, _ = operations_per_pair(request.formula)
        tiles = request.batch * -(-request.rows // self.tile) * -(-request.columns // self.tile)
        return 5e-5 + operations * (tiles * 4e-6 + request.pairs * 5e-11)

    def run(self, job: Job) -> Tensor:
        program = compile_program(job.inner)
        out = job.rows.new_zeros(job.batch, len(job.inner), job.row_count, dtype=torch.float64)
        buffers = _Buffers(job.rows)
        values: list[Tensor] = [job.rows] * program.slots
        for index, leaf in program.leaves:
            if leaf.operation in ("constant", "tiny"):
                values[index] = job.rows.new_tensor(number(leaf, job.rows.dtype))
        for tile in self._tiles(job):
            sums = _run_tile(program, tile, job, buffers, values)
            for output, partial in enumerate(sums):
                out[tile.batch, output, tile.rows] += partial
        return out.to(job.rows.dtype)

    def _tiles(self, job: Job) -> Iterator[Tile]:
        rows, columns = min(2 * self.tile, job.row_count), min(max(self.tile // 2, 1), job.column_count)
        group = max(1, self.tile**2 // (rows * columns))
        for b in range(0, job.batch, group):
            for i in range(0, job.row_count, rows):
                for j in range(0, job.column_count, columns):
                    yield Tile(
                        slice(b, min(b + group, job.batch)),
                        slice(i, min(i + rows, job.row_count)),
                        slice(j, min(j + columns, job.column_count)),
                    )


class Tile(NamedTuple):
    """A block of the batch, of the rows and of the columns."""

    batch: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sums, rows and columns in it."""
        batch, rows, columns = (part.stop - part.start for part in self)
        return batch, rows, columns

    def touches_diagonal(self) -> bool:
        """Whether some pair i = j lies in it."""
        return bool(self.rows.start < self.columns.stop and self.columns.start < self.rows.stop)


class Instruction(NamedTuple):
    """An operation on slots. Results that differ from pair to pair go to a numbered buffer."""

    operation: str
    arguments: tuple[int, ...]
    target: int
    buffer: int | None


class Reduction(NamedTuple):
    """A slot to be summed over the columns, weighted by another one if there is such a factor."""

    summand: int
    weight: int | None


@dataclass(frozen=True)
class Program:
    """The inner expressions as a list of instructions on slots, with buffers used again as soon as they are free."""

    leaves: tuple[tuple[int, Expression], ...]
    instructions: tuple[Instruction, ...]
    reductions: tuple[Reduction, ...]
    slots: int


@lru_cache(maxsize=1024)
def compile_program(inner: tuple[Expression, ...]) -> Program:
    """Order the operations and give each result a place."""
    factored = [_split_weight(expression) for expression in inner]
    results = [part for pair in factored for part in pair if part is not None]
    order = list(topological(results))
    slot = {expression: index for index, expression in enumerate(order)}
    uses = Counter(argument for expression in order for argument in set(expression.arguments))
    uses.update(results)
    free: dict[bool, list[int]] = {False: [], True: []}
    place: dict[Expression, int] = {}
    made = {False: 0, True: 0}
    instructions = []
    for expression in order:
        if not expression.arguments:
            continue
        for argument in set(expression.arguments):
            uses[argument] -= 1
            if uses[argument] == 0 and argument in place:
                free[OPERATIONS[argument.operation].boolean].append(place[argument])
        if expression.per_pair:
            boolean = OPERATIONS[expression.operation].boolean
            if not free[boolean]:
                free[boolean].append(made[boolean])
                made[boolean] += 1
            place[expression] = free[boolean].pop()
        arguments = tuple(slot[argument] for argument in expression.arguments)
        instructions.append(Instruction(expression.operation, arguments, slot[expression], place.get(expression)))
    leaves = tuple((slot[expression], expression) for expression in order if not expression.arguments)
    reductions = tuple(
        Reduction(slot[summand], None if weight is None else slot[weight]) for summand, weight in factored
    )
    return Program(leaves, tuple(instructions), reductions, len(order))


def _split_weight(expression: Expression) -> tuple[Expression, Expression | None]:
    """A product taken apart: what changes with the pair, and what changes with the column alone."""
    if not expression.per_pair:
        return (ONE, expression) if "column" in expression.sides else (expression, None)
    if expression.operation == "where" and expression.arguments[2] is ZERO:
        condition, value, _ = expression.arguments
        rest, weight = _split_weight(value)
        return where(condition, rest, ZERO), weight
    if expression.operation != "multiply":
        return expression, None
    (rest_a, weight_a), (rest_b, weight_b) = map(_split_weight, expression.arguments)
    weights = [weight for weight in (weight_a, weight_b) if weight is not None]
    return multiply(rest_a, rest_b), reduce(multiply, weights) if weights else None


class _Buffers:
    """Memory for the results of a tile, allocated once for a sum."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.memory: dict[tuple[int, torch.dtype], Tensor] = {}
        self.views: dict[tuple[int, torch.dtype, tuple[int, ...]], Tensor] = {}

    def take(self, index: int, boolean: bool, shape: tuple[int, int, int]) -> Tensor:
        dtype = torch.bool if boolean else self.like.dtype
        view = self.views.get((index, dtype, shape))
        if view is None:
            view = self.views[index, dtype, shape] = self._allocate((index, dtype), shape)
        return view

    def _allocate(self, key: tuple[int, torch.dtype], shape: tuple[int, int, int]) -> Tensor:
        size = shape[0] * shape[1] * shape[2]
        if key not in self.memory or self.memory[key].numel() < size:
            self.memory[key] = self.like.new_empty(size, dtype=key[1])
        return self.memory[key][:size].view(shape)


def _run_tile(program: Program, tile: Tile, job: Job, buffers: _Buffers, values: list[Tensor]) -> list[Tensor]:
    shape = tile.shape
    for index, leaf in program.leaves:
        if leaf.sides:
            values[index] = _data(leaf, tile, job)
    for operation, arguments, target, buffer in program.instructions:
        compute, boolean = OPERATIONS[operation].compute, OPERATIONS[operation].boolean
        inputs = [values[argument] for argument in arguments]
        if buffer is None:
            values[target] = compute(*inputs)
        else:
            values[target] = compute(*inputs, out=buffers.take(buffer, boolean, shape))
    masked = job.skip_diagonal and tile.touches_diagonal()
    return [_reduce(values, reduction, tile, masked) for reduction in program.reductions]


def _data(leaf: Expression, tile: Tile, job: Job) -> Tensor:
    index = int(leaf.value)
    if leaf.operation == "row":
        return _block(job.rows, tile.batch)[:, index, tile.rows, None]
    if leaf.operation == "column":
        return _block(job.columns, tile.batch)[:, index, None, tile.columns]
    return _block(job.parameters, tile.batch)[:, index, None, None]


def _block(data: Tensor, batch: slice) -> Tensor:
    return data if data.shape[0] == 1 else data[batch]


def _reduce(values: list[Tensor], reduction: Reduction, tile: Tile, masked: bool) -> Tensor:
    summand = values[reduction.summand].expand(tile.shape)
    if masked:
        summand = summand.clone()
        summand.diagonal(tile.rows.start - tile.columns.start, 1, 2).zero_()
    if reduction.weight is None:
        return summand.sum(-1)
    weight = values[reduction.weight].expand(tile.shape[0], 1, tile.shape[2])
    return torch.matmul(summand, weight.mT).squeeze(-1)
