"""Inner expressions as torch operations on tiles of pairs that stay in the processor's cache."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

import torch
from torch import Tensor

from interflow.errors import InterflowWarning
from interflow.sums.evaluation import number
from interflow.sums.expression import ONE, TINY, ZERO, Expression, node, rebuild, topological
from interflow.sums.operations import OPERATIONS, is_condition


def tiles(sizes: tuple[int, int, int], shape: tuple[int, int]) -> Iterator[Tile]:
    """Blocks of about ``shape`` that cover a batch, its rows and its columns; small sums are grouped.

    Args:
        sizes: of the batch, of the rows and of the columns.
        shape: rows and columns of a block.
    """
    batch, row_count, column_count = sizes
    rows, columns = min(shape[0], row_count), min(shape[1], column_count)
    group = max(1, shape[0] * shape[1] // (rows * columns))
    for b in range(0, batch, group):
        for i in range(0, row_count, rows):
            for j in range(0, column_count, columns):
                yield Tile(
                    slice(b, min(b + group, batch)),
                    slice(i, min(i + rows, row_count)),
                    slice(j, min(j + columns, column_count)),
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
    boolean: bool


@dataclass(frozen=True)
class Program:
    """The inner expressions as a list of instructions on slots, with buffers used again as soon as they are free.

    Attributes:
        leaves: the slots of leaves.
        instructions: in the order in which they run.
        results: the slots of what is summed.
        slots: how many there are.
    """

    leaves: tuple[tuple[int, Expression], ...]
    instructions: tuple[Instruction, ...]
    results: tuple[int, ...]
    slots: int


@lru_cache(maxsize=1024)
def compile_program(inner: tuple[Expression, ...], ones: frozenset[int] | None = None) -> Program:
    """Order the operations and give each result a place.

    Args:
        inner: what is summed.
        ones: the parameters that are 1, such as the period of the unit torus; None where they are not to be read.
    """
    results = _lowered(inner, ones)
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
                free[is_condition(argument)].append(place[argument])
        if expression.per_pair:
            boolean = is_condition(expression)
            if not free[boolean]:
                free[boolean].append(made[boolean])
                made[boolean] += 1
            place[expression] = free[boolean].pop()
        arguments = tuple(slot[argument] for argument in expression.arguments)
        instructions.append(
            Instruction(
                expression.operation, arguments, slot[expression], place.get(expression), is_condition(expression)
            )
        )
    leaves = tuple((slot[expression], expression) for expression in order if not expression.arguments)
    return Program(leaves, tuple(instructions), tuple(slot[result] for result in results), len(order))


def _lowered(results: Sequence[Expression], ones: frozenset[int] | None) -> tuple[Expression, ...]:
    """The same in fewer passes over memory, by operations that torch has."""
    if ones:
        results = rebuild(results, lambda old, parts: _simplified(old, parts, ones))
    uses = Counter(argument for current in topological(results) for argument in current.arguments)

    def once(old: Expression, operation: str) -> bool:
        return old.operation == operation and old.per_pair and uses[old] == 1

    def lower(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        given = old.arguments
        match old.operation:
            case "where" if given[2] is ONE and given[0] is node("greater", given[1], TINY):
                return node("guard", parts[1], TINY)
            case "where" if given[2] is ZERO and given[0].per_pair:
                return node("keep", *parts[:2])
            case "add" if once(given[1], "square"):
                return node("add_square", parts[0], *parts[1].arguments)
            case "add" if once(given[0], "square"):
                return node("add_square", parts[1], *parts[0].arguments)
            case "subtract" if ones is not None and once(given[1], "multiply") and parts[1].arguments[1].shared:
                return node("subtract_scaled", parts[0], *parts[1].arguments)
        return old.with_arguments(parts)

    return rebuild(results, lower)


def _simplified(old: Expression, parts: tuple[Expression, ...], ones: frozenset[int]) -> Expression:
    """A product without a factor that is 1."""
    if old.operation == "multiply" and parts[1].operation == "parameter" and int(parts[1].value) in ones:
        return parts[0]
    return old.with_arguments(parts)


def _subtract_scaled(a: Tensor, b: Tensor, factor: Tensor, out: Tensor) -> Tensor:
    """``a − factor·b``."""
    return torch.sub(a, b, alpha=factor.item(), out=out)


def _add_square(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """``a + b²``."""
    return torch.addcmul(a, b, b, out=out)


def _guard(a: Tensor, tiny: Tensor, out: Tensor) -> Tensor:
    """``a`` where it is above tiny, and about 1 where it is not."""
    return torch.add(a, torch.le(a, tiny, out=torch.empty_like(out)), out=out)


def _keep(condition: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """``a`` where the condition holds, else 0, also where a is not finite."""
    if condition.dtype == torch.bool:
        return torch.where(condition, a, a.new_zeros(()), out=out)
    torch.bitwise_and(a.view(condition.dtype), condition, out=out.view(condition.dtype))
    return out


def _where(condition: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """``a`` where the condition holds, else ``b``."""
    if condition.dtype == torch.bool:
        return torch.where(condition, a, b, out=out)
    old, new = b.view(condition.dtype), a.view(condition.dtype)
    torch.bitwise_xor(old, (new ^ old) & condition, out=out.view(condition.dtype))
    return out


_COMPUTE: Final[dict[str, Callable[..., Tensor]]] = {
    **{name: operation.compute for name, operation in OPERATIONS.items()},
    "exp2": torch.exp2,
    "subtract_scaled": _subtract_scaled,
    "add_square": _add_square,
    "guard": _guard,
    "keep": _keep,
    "where": _where,
}


class Workspace:
    """Memory for a program on tiles of one dtype, allocated once for a sum.

    On a CPU a condition that differs from pair to pair is kept as an integer with all bits 1 or all bits 0: torch
    selects by booleans some thirty times slower than it computes.
    """

    def __init__(self, program: Program, like: Tensor) -> None:
        self.program = program
        self.like = like
        masks = torch.int32 if like.dtype == torch.float32 else torch.int64
        self._condition = masks if like.device.type == "cpu" else torch.bool
        self._memory: dict[tuple[int, torch.dtype], Tensor] = {}
        self._views: dict[tuple[int, torch.dtype, tuple[int, ...]], Tensor] = {}
        self._values: list[Tensor] = [like] * program.slots
        for index, leaf in program.leaves:
            if not leaf.sides:
                self._values[index] = like.new_tensor(number(leaf, like.dtype))

    def run(self, tile: Tile, data: Callable[[Expression], Tensor]) -> list[Tensor]:
        """The slots of a tile, given the tensors of the leaves: ``(batch, rows, columns)`` or what broadcasts to it."""
        values, shape = self._values, tile.shape
        for index, leaf in self.program.leaves:
            if leaf.sides:
                values[index] = data(leaf)
        for operation, arguments, target, buffer, boolean in self.program.instructions:
            inputs = [values[argument] for argument in arguments]
            if buffer is None:
                values[target] = OPERATIONS[operation].compute(*inputs)
                continue
            dtype = self._condition if boolean else self.like.dtype
            values[target] = _COMPUTE[operation](*inputs, out=self._take(buffer, dtype, shape))
            if boolean and dtype != torch.bool:
                values[target].neg_()
        return values

    def scratch(self, shape: tuple[int, int, int]) -> Tensor:
        """Memory ``(batch, rows, columns)`` for what a tile begins with, used again by the next tile."""
        return self._take(-1, self.like.dtype, shape)

    def _take(self, index: int, dtype: torch.dtype, shape: tuple[int, int, int]) -> Tensor:
        view = self._views.get((index, dtype, shape))
        if view is None:
            view = self._views[index, dtype, shape] = self._allocate((index, dtype), shape)
        return view

    def _allocate(self, key: tuple[int, torch.dtype], shape: tuple[int, int, int]) -> Tensor:
        size = shape[0] * shape[1] * shape[2]
        if key not in self._memory or self._memory[key].numel() < size:
            self._memory[key] = self.like.new_empty(size, dtype=key[1])
        return self._memory[key][:size].view(shape)


def block(data: Tensor, batch: slice) -> Tensor:
    """A part of the batch, where a batch of 1 stands for all of it."""
    return data if data.shape[0] == 1 else data[batch]


def summand(values: list[Tensor], slot: int, tile: Tile, skip_diagonal: bool, neutral: float = 0.0) -> Tensor:
    """What is summed over the columns, ``(batch, rows, columns)``, without the diagonal if that is to be left out."""
    part = values[slot].expand(tile.shape)
    if skip_diagonal and tile.touches_diagonal():
        part = part.clone()
        part.diagonal(tile.rows.start - tile.columns.start, 1, 2).fill_(neutral)
    return part


ResultT = TypeVar("ResultT")

SMALLEST = 32
"""The side of the smallest tile; with less the results themselves are what does not fit."""


def on_smaller_tiles(total: Callable[[int], ResultT], tile: int) -> ResultT:
    """``total(tile)``, or where memory runs out that of half the side, and so on.

    Warns:
        InterflowWarning: with the old and the new side.
    """
    while True:
        try:
            return total(tile)
        except RuntimeError as error:  # of which torch.OutOfMemoryError is one
            if not _is_out_of_memory(error) or tile <= SMALLEST:
                raise
        # after the clause, since an error holds on to the tensors of the attempt
        smaller = max(SMALLEST, tile // 2)
        warnings.warn(
            f"memory ran out in a pair sum with tiles of {tile}² pairs; it is done again with tiles of {smaller}². "
            f"`backend=Dense(tile={smaller})` begins with them.",
            InterflowWarning,
            stacklevel=2,
        )
        tile = smaller


def _is_out_of_memory(error: RuntimeError) -> bool:
    """On the CPU the allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error)
