"""KeOps: the formula on lazy tensors, compiled and run by KeOps (Charlier et al., 2021)."""

from __future__ import annotations

import functools
import importlib.util
import logging
import math
import operator
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from interflow.errors import BackendError
from interflow.sums.backends.base import register_backend
from interflow.sums.backends.loop import LoopBackend, dimension_reason, operations_per_pair
from interflow.sums.evaluation import number
from interflow.sums.expression import Expression, leaf, topological
from interflow.sums.optimise import plan
from interflow.sums.pairsum import PairSum


class Product(NamedTuple):
    """Outputs that follow each other: the parts, each times the factor where there is one."""

    factor: Expression | None
    parts: tuple[Expression, ...]


def products(outputs: Sequence[Expression]) -> list[Product]:
    """The outputs in order, taken together where neighbours are products with a factor in common.

    Example:
        >>> from interflow.sums.expression import leaf
        >>> from interflow.sums.operations import multiply
        >>> slope, across, along = leaf("column", 2), leaf("row", 0), leaf("row", 1)
        >>> [(str(factor), len(parts)) for factor, parts in products([multiply(slope, across), multiply(along, slope)])]
        [('column[2]', 2)]
    """
    found: list[Product] = []
    for output in outputs:
        joined = _joined(found[-1], output) if found else None
        if joined is None:
            found.append(Product(None, (output,)))
        else:
            found[-1] = joined
    return found


def _joined(product: Product, output: Expression) -> Product | None:
    """A product with one more output; None if they have no factor in common."""
    if product.factor is not None:
        factors: set[Expression] = {product.factor}
    else:
        factors = set(_factors(product.parts[0]))
    common = sorted(factors.intersection(_factors(output)), key=_size)
    if not common:
        return None
    factor = common[-1]
    before = product.parts if product.factor is not None else (_rest(product.parts[0], factor),)
    return Product(factor, (*before, _rest(output, factor)))


def _factors(output: Expression) -> tuple[Expression, ...]:
    """What may be taken out: a side of a product whose other side is no number."""
    if output.operation != "multiply":
        return ()
    left, right = output.arguments
    return tuple(side for side, other in ((left, right), (right, left)) if other.operation not in ("constant", "tiny"))


def _rest(output: Expression, factor: Expression) -> Expression:
    left, right = output.arguments
    return right if left is factor else left


def _size(expression: Expression) -> int:
    return sum(1 for _ in topological((expression,)))


@contextmanager
def quiet_keops() -> Iterator[None]:
    """A block in which KeOps, or what stands on it, is imported without printing."""
    names = ("KEOPS_VERBOSE", "PYKEOPS_VERBOSE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "0"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_logger = logging.getLogger("interflow")
_first_use = threading.Lock()  # KeOps builds its own library when it is first imported

LARGEST: Final = 2000
"""Operations after which a formula is refused: KeOps writes trees without common parts, and compiles for minutes."""


@register_backend
@dataclass(frozen=True)
class Keops(LoopBackend):
    """Exact sums by KeOps, on the CPU or on CUDA, with memory O(N + M); on the CPU rounding is compensated.

    Example:
        >>> from interflow import GaussianKernel, explain
        >>> x = torch.zeros(2, 2)
        >>> explain(GaussianKernel(sigma=1.0), x, x, backend=Keops()).backend
        'keops'
    """

    name = "keops"

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        if not _is_installed():
            return "the package pykeops is not installed"
        if pairs.device not in ("cpu", "cuda"):
            return f"it runs on the CPU and on CUDA, not on {pairs.device}"
        unwritable = dimension_reason(pairs.summed_formula) or _keops_unsupported_reason(pairs.summed_formula)
        if unwritable is not None:
            return unwritable
        if pairs.dtype == torch.float32 and max(pairs.row_count, pairs.column_count) > 2**24:
            return "indices above 2²⁴ are not exact in float32"
        return None

    def setup_seconds(self, pairs: PairSum) -> float:
        return 8.0

    def run_seconds(self, pairs: PairSum) -> float:
        _, weight = operations_per_pair(pairs.summed_formula)
        rate = 6e8 * torch.get_num_threads() if pairs.device == "cpu" else 1e13
        return 1e-3 + pairs.pairs * weight / rate

    def sum_loop(self, pairs: PairSum, body: tuple[Expression, ...]) -> Tensor:
        if pairs.column_count == 1 and pairs.skip_diagonal:
            return pairs.x.new_full((pairs.batch, len(body), pairs.row_count), pairs.neutral)
        if 1 not in (pairs.row_count, pairs.column_count):
            return self._run_several(pairs, body)
        doubled = self._run_several(
            replace(pairs, rows=(_two_or_more(pairs.x),), columns=(_two_or_more(pairs.y),)), body
        )
        half = pairs.column_count == 1 and pairs.reduction == "sum"
        return doubled[..., : pairs.row_count] * (0.5 if half else 1.0)

    def _run_several(self, pairs: PairSum, body: tuple[Expression, ...]) -> Tensor:
        """The same for several rows and columns: of one, KeOps would make another program and compile it."""
        _announce(pairs.formula, pairs.dtype)
        lazy = _keops().LazyTensor
        batch = slice(None) if pairs.batch > 1 else 0  # KeOps is faster without a batch axis

        def data(expression: Expression) -> Any:
            index = int(expression.value)
            if expression.operation == "row":
                return lazy(pairs.x[batch, index, :, None, None].contiguous())
            if expression.operation == "column":
                return lazy(pairs.y[batch, index, None, :, None].contiguous())
            return lazy(pairs.parameters[batch, index, None, None, None].contiguous())

        everywhere = data(leaf("row", 0)) - data(leaf("column", 0))
        nothing = everywhere * lazy(pairs.x.new_zeros(1, 1, 1))  # gives a summand a row and a column
        if not pairs.skip_diagonal:
            return self._reduce(_summands(products(body), pairs.dtype, data, nothing), pairs, len(body))
        index = torch.arange(pairs.row_count, dtype=pairs.dtype, device=pairs.x.device)
        apart = (lazy(index[:, None, None]) - lazy(index[None, :, None])).abs() - 0.5
        apiece = [Product(None, (output,)) for output in body]  # a choice is made between scalars
        summands = _summands(apiece, pairs.dtype, data, nothing)
        left_out = nothing if pairs.reduction == "sum" else nothing + torch.finfo(pairs.dtype).min
        return self._reduce([apart.ifelse(summand, left_out) for summand in summands], pairs, len(body))

    def _reduce(self, summands: Sequence[Any], pairs: PairSum, outputs: int) -> Tensor:
        summand = _concatenated(summands)
        # on a CPU the compensation takes 4 % of the time, and the error falls to two fifths
        kind, scheme = ("CPU", "kahan_scheme") if pairs.device == "cpu" else ("GPU", "auto")
        try:
            axis = summand.dim() - 2
            if pairs.reduction == "max":
                total: Tensor = summand.max(axis=axis, backend=kind)
            else:
                total = summand.sum(dim=axis, backend=kind, sum_scheme=scheme)
        except (RuntimeError, ValueError, OSError) as error:
            raise BackendError(f"The backend keops could not run this sum: {error}") from error
        return total.reshape(pairs.batch, pairs.row_count, outputs).mT.contiguous()


def _two_or_more(points: Tensor) -> Tensor:
    """A single point twice."""
    return points.expand(-1, -1, 2) if points.shape[-1] == 1 else points


@functools.cache
def _is_installed() -> bool:
    return importlib.util.find_spec("pykeops") is not None


@functools.cache
def _keops_unsupported_reason(formula: str) -> str | None:
    """Why a formula cannot be given to KeOps; None if it can."""
    inner = plan(formula).inner
    foreign = {node.operation for node in topological(inner) if node.arguments} - _OPERATIONS.keys()
    if foreign:
        return f"KeOps has no operation {', '.join(sorted(foreign))}"
    size = sum(_tree_sizes(inner))
    if size > LARGEST:
        return f"as a tree the formula has {size} operations, more than the {LARGEST} that KeOps compiles in time"
    return None


@functools.cache
def _keops() -> ModuleType:
    """pykeops.torch, imported without its printing."""
    with _first_use, quiet_keops():
        try:
            import pykeops.torch
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(f"The backend keops could not start: {error}") from error
        module: ModuleType = pykeops.torch
        return module


@functools.cache
def _announce(formula: str, dtype: torch.dtype) -> None:
    _logger.info("KeOps takes the formula %s in %s; it compiles it the first time (some seconds).", formula, dtype)


def _tree_sizes(outputs: tuple[Expression, ...]) -> list[int]:
    """The operations of each output written out as a tree."""
    sizes: dict[Expression, int] = {}
    for current in topological(outputs):
        sizes[current] = 1 + sum(sizes[argument] for argument in current.arguments)
    return [sizes[output] for output in outputs]


def _summands(
    outputs: Sequence[Product], dtype: torch.dtype, data: Callable[[Expression], Any], nothing: Any
) -> list[Any]:
    """Lazy tensors of rows and columns, of as many components as each product has parts."""
    needed = [[*parts, *([] if factor is None else [factor])] for factor, parts in outputs]
    values = _evaluate([expression for expressions in needed for expression in expressions], dtype, data)
    summands = []
    for (factor, parts), expressions in zip(outputs, needed, strict=True):
        summand = _concatenated([values[part] for part in parts])
        summand = summand if factor is None else values[factor] * summand
        sides = frozenset[str]().union(*(expression.sides for expression in expressions))
        summands.append(summand if {"row", "column"} <= sides else summand + nothing)
    return summands


def _concatenated(values: Sequence[Any]) -> Any:
    return functools.reduce(lambda left, right: left.concat(right), values)


def _evaluate(
    outputs: Sequence[Expression], dtype: torch.dtype, data: Callable[[Expression], Any]
) -> dict[Expression, Any]:
    """Expressions as lazy tensors; conditions are kept as a `_Condition`."""
    values: dict[Expression, Any] = {}
    for current in topological(outputs):
        if current.arguments:
            values[current] = _OPERATIONS[current.operation](*(values[argument] for argument in current.arguments))
        elif current.operation in ("constant", "tiny"):
            values[current] = number(current, dtype)
        else:
            values[current] = data(current)
    return values


class _Condition(NamedTuple):
    """Holds where ``(margin ≥ 0)`` is ``sense``."""

    margin: Any
    sense: bool

    def choose(self, a: Any, b: Any) -> Any:
        """``a`` where it holds, else ``b``."""
        return self.margin.ifelse(a, b) if self.sense else self.margin.ifelse(b, a)


def _round_half_to_even(a: Any) -> Any:
    """As torch rounds; KeOps's own rounding takes halves away from 0. The even neighbour of a half is 2·round(a/2)."""
    away = a.round()
    return ((a - away).abs() - 0.5).ifelse(2.0 * (0.5 * a).round(), away)


_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "neg": operator.neg,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "reciprocal": lambda a: 1.0 / a,
    "square": lambda a: a.square(),
    "sqrt": lambda a: a.sqrt(),
    "rsqrt": lambda a: a.rsqrt(),
    "power": lambda a, exponent: (exponent * a.log()).exp(),  # KeOps's own is right to float32 only
    "abs": lambda a: a.abs(),
    "sign": lambda a: a.sign(),
    "round": _round_half_to_even,
    "floor": lambda a: a - a.mod(1.0),
    "exp": lambda a: a.exp(),
    "exp2": lambda a: (math.log(2.0) * a).exp(),
    "log": lambda a: a.log(),
    "sin": lambda a: a.sin(),
    "cos": lambda a: a.cos(),
    "atan": lambda a: a.atan(),
    "atan2": lambda a, b: a.atan2(b),
    "sigmoid": lambda a: 1.0 / (1.0 + (-a).exp()),
    "maximum": lambda a, b: (a - b).ifelse(a, b),
    "minimum": lambda a, b: (a - b).ifelse(b, a),
    "where": lambda condition, a, b: condition.choose(a, b),
    "greater": lambda a, b: _Condition(b - a, False),
    "greater_equal": lambda a, b: _Condition(a - b, True),
    "less": lambda a, b: _Condition(a - b, False),
    "less_equal": lambda a, b: _Condition(b - a, True),
    "equal": lambda a, b: _Condition(-(a - b).abs(), True),
    "not_equal": lambda a, b: _Condition(-(a - b).abs(), False),
    "not": lambda condition: _Condition(condition.margin, not condition.sense),
}
