"""A mode in which PyTorch code runs on tensors and, beside them, on expressions of a pair.

Each operation that the code carries out is repeated on arrays of expressions, which stand beside the tensors. Tensors
that the code makes of numbers alone are constants. Where an operation that is not smooth at 0 meets an argument that
vanishes at coincident points (such as ``√r²``), it is replaced by one whose derivatives are 0 there.
"""

from __future__ import annotations

import contextlib
import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from interflow._torch_compat import OperationMode, decomposition
from interflow.errors import KernelError
from interflow.sums import operations as op
from interflow.sums.expression import ONE, ZERO, Expression, constant, leaf, topological

Array = Any
"""A tensor's worth of expressions: a NumPy array of objects."""

Shapes = Mapping[str, Mapping[str, Sequence[int]]]
"""The shapes of the hyperparameters of the kernel and of the boundary, by name."""

_ZERO_AT_ZERO: Final = {
    *("add", "subtract", "maximum", "minimum", "neg", "abs", "square", "sign", "sqrt"),
    *("round", "floor", "sin", "tanh", "atan", "expm1", "log1p", "erf"),
}
"""The operations that give 0 where all of their arguments are 0."""


def _array(values: Any, shape: tuple[int, ...] = ()) -> Array:
    array = np.empty(shape, dtype=object)
    if shape:
        array.reshape(-1)[:] = values
    else:
        array[()] = values
    return array


def _leaves(side: str, count: int, start: int = 0, shape: tuple[int, ...] | None = None) -> Array:
    leaves = [leaf(side, index) for index in range(start, start + count)]
    return _array(leaves[0] if shape == () else leaves, (count,) if shape is None else shape)


def _example(shape: Sequence[int]) -> Tensor:
    """Some positive numbers to compute with."""
    return torch.linspace(0.5, 0.75, math.prod(shape), dtype=torch.float64).reshape(tuple(shape))


def _tensors(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among the arguments of an operation, and in lists of them."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from _tensors(argument)


def _line_of(error: Exception) -> str:
    """The line of a user's own code in which an error was raised, as the end of a sentence; empty if it was in none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_PACKAGES) and frame.name != "_line_of"]
    return f" (line {own[-1].lineno} of {own[-1].filename}: `{own[-1].line}`)" if own else ""


_PACKAGES: Final = (
    str(Path(torch.__file__).parent),
    str(Path(__file__).parents[1]),
    contextlib.__file__,
    np.__path__[0],
)


class Tracer(OperationMode):
    """A mode in which every operation on tensors is carried out on arrays of expressions as well."""

    def __init__(self) -> None:
        super().__init__()
        self.vanishing: set[Expression] = {ZERO}
        self._owner = ""
        self._arrays: dict[int, Array] = {}
        self.limits: set[tuple[str, int, int]] = set()
        self._constants: set[int] = set()
        self._tensors: list[Tensor] = []  # held, since another tensor may be given the address of a freed one

    def stand_for(self, tensor: Tensor, expressions: Array) -> Tensor:
        """The tensor, which from now on has these expressions beside it."""
        self._arrays[id(tensor)] = expressions
        self._tensors.append(tensor)
        return tensor

    def parameters(self, shapes: Shapes) -> dict[str, dict[str, Tensor]]:
        """Hyperparameters whose elements are leaves, counted through."""
        index = 0
        values: dict[str, dict[str, Tensor]] = {}
        for part, own in shapes.items():
            values[part] = {}
            for name, shape in own.items():
                count = math.prod(shape)
                leaves = _leaves("parameter", count, index, tuple(shape))
                values[part][name] = self.stand_for(_example(shape), leaves)
                index += count
        return values

    def points(self, dimension: int) -> tuple[Tensor, Tensor]:
        """Two points, x and y, whose coordinates are leaves."""
        x = self.stand_for(_example((dimension,)), _leaves("row", dimension))
        return x, self.stand_for(0.75 * _example((dimension,)), _leaves("column", dimension))

    def feature(self, side: str, start: int, shape: tuple[int, ...], is_whole: bool) -> Tensor:
        """A feature of a particle, whose components are leaves of a side from a first one on."""
        example = torch.zeros(shape, dtype=torch.int64) if is_whole else _example(shape)
        return self.stand_for(example, _leaves(side, math.prod(shape), start, shape))

    def chosen(self, array: Array, axis: int, index: Expression) -> Array:
        """The part of an array that a whole-number feature of a particle chooses along an axis."""
        if index.operation not in ("row", "column"):
            raise KernelError(
                f"{self._owner} indexes a tensor by {index}. Index it by whole-number features themselves, as in "
                "`self.table[i.species, j.species]`, so that they can be held against its length."
            )
        size = array.shape[axis]
        self.limits.add((index.operation, int(index.value), size))
        parts = [np.take(array, place, axis) for place in range(size)]
        found = _as_array(parts[-1])
        for place in reversed(range(size - 1)):
            is_here = op.binary("less", index, constant(place + 0.5))
            pairs = zip(_as_array(parts[place]).flat, found.flat, strict=True)
            choices = [op.where(is_here, here, there) for here, there in pairs]
            found = _array(choices if found.ndim else choices[0], found.shape)
        return found

    def stands_for_leaves(self, value: Any) -> bool:
        """Whether a value is a tensor with expressions beside it."""
        return isinstance(value, Tensor) and id(value) in self._arrays

    def indexed(self, tensor: Tensor, places: tuple[Any, ...]) -> Tensor:
        """``tensor[places]``, where some of the places are whole-number features of a particle."""
        array, axis = self.expressions(tensor), 0
        for place in places:
            if isinstance(place, Tensor):
                choice = self.expressions(place)
                if choice.ndim:
                    raise KernelError(f"{self._owner} indexes a tensor by a vector; take one number at a time.")
                array = self.chosen(array, axis, choice.item())
            else:
                array = array[(slice(None),) * axis + (place,)]
                axis += isinstance(place, slice)
        return self.stand_for(_example(array.shape), array)

    def expressions(self, tensor: Any) -> Array:
        """The expressions of a tensor that the code made, or of a number."""
        if not isinstance(tensor, Tensor):
            return _array(as_expression(tensor))
        if id(tensor) in self._arrays:
            return self._arrays[id(tensor)]
        self._check_constant(tensor)
        numbers = [constant(float(value)) for value in tensor.reshape(-1).tolist()]
        return _array(numbers if tensor.ndim else numbers[0], tuple(tensor.shape))

    @contextmanager
    def following(self, owner: str) -> Iterator[None]:
        """A block whose operations are followed; whatever it raises is said of the owner, with the line."""
        self._owner = owner
        try:
            with self, _Indexing(self):
                yield
        except KernelError as error:
            raise KernelError(f"{error}{_line_of(error)}") from error
        except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise KernelError(
                f"{self._owner} cannot be written as one expression of a pair: {error}{_line_of(error)}"
            ) from error

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if not any(id(tensor) in self._arrays for tensor in _tensors((*args, *options.values()))):
            return self._constant(func, args, options)
        rule = _RULES.get(func)
        if rule is None:
            return self._decomposed(func, args, options)
        arrays = rule(self, *map(self._beside, args), **{name: self._beside(part) for name, part in options.items()})
        result = func(*args, **options)
        if isinstance(result, Tensor):
            return self.stand_for(result, arrays)
        return [self.stand_for(part, array) for part, array in zip(result, arrays, strict=True)]

    def _constant(self, func: Any, args: Any, options: dict[str, Any]) -> Any:
        """The result of an operation on no leaf: a constant, if it is made of numbers and constants alone."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise KernelError(
                f"{self._owner} draws random numbers with {func}, and a formula is the same in each call."
            )
        result = func(*args, **options)
        is_literal = func is _aten.lift_fresh.default  # its tensor was just made of numbers
        if is_literal or all(id(tensor) in self._constants for tensor in _tensors((*args, *options.values()))):
            made = list(_tensors([result]))
            self._constants.update(map(id, made))
            self._tensors += made
        return result

    def _check_constant(self, tensor: Tensor) -> None:
        if id(tensor) not in self._constants:
            raise KernelError(
                f"{self._owner} uses a tensor that is not one of its registered hyperparameters. Assign a "
                "PositiveParameter, or register the tensor with register_buffer; a law that is a function takes it "
                "as a feature."
            )

    def _beside(self, argument: Any) -> Any:
        """An argument of an operation, with expressions in the place of tensors."""
        if isinstance(argument, list | tuple):
            return [self._beside(part) for part in argument]
        return self.expressions(argument) if isinstance(argument, Tensor) else argument

    def _decomposed(self, func: Any, args: Any, options: dict[str, Any]) -> Any:
        if func in _READING:
            raise KernelError(
                f"{self._owner} cannot be written as one expression of a pair: it reads a number out of a tensor, as "
                "`if`, float() and .item() do. Take torch.where, or clamp, so that one formula serves all pairs."
            )
        with self:
            result = (decomposition(func) or func.decompose)(*args, **options)
        if result is NotImplemented:
            raise KernelError(
                f"{self._owner} uses {func}, which is no elementwise operation of a pair that a formula can hold. "
                "Use arithmetic, exp, log, sqrt, rsqrt, abs, sin, cos, atan, relu, clamp, sign, round and where."
            )
        return result

    # --- operations that are not smooth where their argument vanishes -------------------------------------------------

    def root(self, a: Expression) -> Expression:
        return self._safe("sqrt", a, ZERO) if self._vanishes(a) else op.sqrt(a)

    def inverse_root(self, a: Expression) -> Expression:
        return self._safe("rsqrt", a, constant(math.inf)) if self._vanishes(a) else op.unary("rsqrt", a)

    def logarithm(self, a: Expression) -> Expression:
        return self._safe("log", a, constant(-math.inf)) if self._vanishes(a) else op.unary("log", a)

    def power(self, a: Expression, exponent: Expression) -> Expression:
        number = exponent.constant
        if not self._vanishes(a) or (number is not None and number.is_integer() and number >= 0):
            return op.power(a, exponent)
        if number is not None:
            at_zero = ZERO if number > 0 else constant(math.inf)
        else:
            at_zero = op.where(op.binary("greater", exponent, ZERO), ZERO, constant(math.inf))
        return self._guarded(a, lambda apart: op.power(apart, exponent), at_zero)

    def quotient(self, a: Expression, b: Expression) -> Expression:
        if not self._vanishes(b):
            return op.divide(a, b)
        at_zero = op.multiply(constant(math.inf), op.unary("sign", a))  # flat: no derivative comes from it
        return self._guarded(b, lambda apart: op.divide(a, apart), at_zero)

    def _safe(self, operation: str, a: Expression, at_zero: Expression) -> Expression:
        return self._guarded(a, lambda apart: op.unary(operation, apart), at_zero)

    def _guarded(self, a: Expression, function: Callable[[Expression], Expression], at_zero: Expression) -> Expression:
        result = op.guarded(a, function, at_zero)
        if at_zero is ZERO:
            self.vanishing.add(result)
        return result

    def _vanishes(self, a: Expression) -> bool:
        """Whether ``a`` is 0 at coincident points, as its form shows."""
        for current in topological((a,)):
            if current in self.vanishing:
                continue
            vanish = [argument in self.vanishing for argument in current.arguments]
            match current.operation:
                case "multiply":
                    found = any(vanish)
                case "divide":
                    found = vanish[0]
                case _:
                    found = current.operation in _ZERO_AT_ZERO and all(vanish)
            if found:
                self.vanishing.add(current)
        return a in self.vanishing


class _Indexing(TorchFunctionMode):
    """A mode in which ``tensor[i.species]`` is no reading of a number, but a choice among the elements."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__getitem__:
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(self.tracer.stands_for_leaves(place) for place in places):
                return self.tracer.indexed(args[0], places)
        return func(*args, **(kwargs or {}))


# --- what each recorded operation becomes -----------------------------------------------------------------------------

Rule = Callable[..., Any]


def as_expression(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool | int | float):
        return constant(float(value))
    raise KernelError(f"A formula cannot hold the value {value!r}.")


def _elementwise(build: Callable[..., Expression]) -> Rule:
    """A rule that applies ``build(tracer, *expressions)`` to every element."""

    def rule(tracer: Tracer, *arguments: Any, **_: Any) -> Array:
        boxed = [part if isinstance(part, np.ndarray) else _array(part) for part in arguments]
        broadcast = np.broadcast_arrays(*boxed)
        values = [
            build(tracer, *map(as_expression, parts)) for parts in zip(*(part.flat for part in broadcast), strict=True)
        ]
        shape = broadcast[0].shape
        return _array(values if shape else values[0], shape)

    return rule


def _plain(build: Callable[..., Expression]) -> Rule:
    return _elementwise(lambda _, *parts: build(*parts))


def _unary(operation: str) -> Rule:
    return _plain(lambda a: op.unary(operation, a))


def _binary(operation: str) -> Rule:
    return _plain(lambda a, b: op.binary(operation, a, b))


def _with_alpha(build: Callable[[Expression, Expression], Expression]) -> Rule:
    def rule(tracer: Tracer, a: Any, b: Any, alpha: float = 1) -> Array:
        scaled = b if alpha == 1 else _plain(op.multiply)(tracer, b, alpha)
        return _plain(build)(tracer, a, scaled)

    return rule


def _clamp(tracer: Tracer, a: Any, low: Any = None, high: Any = None, **options: Any) -> Array:
    low, high = options.get("min", low), options.get("max", high)
    if low is not None:
        a = _binary("maximum")(tracer, a, low)
    return a if high is None else _binary("minimum")(tracer, a, high)


def _remainder(a: Expression, b: Expression) -> Expression:
    return op.subtract(a, op.multiply(b, op.unary("floor", op.divide(a, b))))


def _sum(tracer: Tracer, a: Array, axes: Any = None, keepdim: bool = False, **_: Any) -> Array:
    axes = tuple(range(a.ndim)) if axes in (None, []) else tuple(axes)
    add = _plain(op.add)
    for axis in sorted((axis % max(a.ndim, 1) for axis in axes), reverse=True):
        parts = [np.take(a, [index], axis=axis) for index in range(a.shape[axis])]
        a = reduce(lambda total, part: add(tracer, total, part), parts)
        a = a if keepdim else np.squeeze(a, axis=axis)
    return _as_array(a)


def _matrix_product(tracer: Tracer, a: Array, b: Array) -> Array:
    return _sum(tracer, _plain(op.multiply)(tracer, a[:, :, None], b[None]), (1,))


def _added_matrix_product(
    tracer: Tracer, added: Array, a: Array, b: Array, *, beta: float = 1, alpha: float = 1
) -> Array:
    scale = _plain(op.multiply)
    product = scale(tracer, alpha, _matrix_product(tracer, a, b))
    return _plain(op.add)(tracer, scale(tracer, beta, added), product)


def _as_array(a: Any) -> Array:
    return a if isinstance(a, np.ndarray) else _array(a)


def _shaping(reshape: Callable[..., Any]) -> Rule:
    return lambda _, *arguments, **options: _as_array(reshape(*arguments, **options))


def _slice(a: Array, axis: int = 0, start: int | None = None, stop: int | None = None, step: int = 1) -> Array:
    index: list[Any] = [slice(None)] * a.ndim
    index[axis] = slice(start, stop, step)
    return a[tuple(index)]


def _expand(a: Array, shape: Sequence[int], **_: Any) -> Array:
    full = [a.shape[axis - len(shape) + a.ndim] if size == -1 else size for axis, size in enumerate(shape)]
    return np.broadcast_to(a, full)


def _filled(shape: Sequence[int], value: Any, **_: Any) -> Array:
    count = math.prod(shape)
    return _array([constant(float(value))] * count if shape else constant(float(value)), tuple(shape))


def _copied(_: Tracer, a: Array, **options: Any) -> Array:
    dtype = options.get("dtype")
    if dtype is not None and not dtype.is_floating_point:
        raise KernelError(f"A formula cannot convert to {dtype}.")
    return a


_aten = torch.ops.aten
_READING: Final = {_aten._local_scalar_dense.default, _aten.equal.default, _aten.is_nonzero.default}
_RULES: Final[dict[Any, Rule]] = {
    _aten.add.Tensor: _with_alpha(op.add),
    _aten.add.Scalar: _with_alpha(op.add),
    _aten.sub.Tensor: _with_alpha(op.subtract),
    _aten.sub.Scalar: _with_alpha(op.subtract),
    _aten.rsub.Scalar: _with_alpha(lambda a, b: op.subtract(b, a)),
    _aten.rsub.Tensor: _with_alpha(lambda a, b: op.subtract(b, a)),
    _aten.mul.Tensor: _plain(op.multiply),
    _aten.mul.Scalar: _plain(op.multiply),
    _aten.div.Tensor: _elementwise(Tracer.quotient),
    _aten.div.Scalar: _elementwise(Tracer.quotient),
    _aten.reciprocal.default: _elementwise(lambda tracer, a: tracer.quotient(ONE, a)),
    _aten.neg.default: _plain(op.negate),
    _aten.square.default: _plain(op.square),
    _aten.sqrt.default: _elementwise(Tracer.root),
    _aten.rsqrt.default: _elementwise(Tracer.inverse_root),
    _aten.log.default: _elementwise(Tracer.logarithm),
    _aten.pow.Tensor_Scalar: _elementwise(Tracer.power),
    _aten.pow.Tensor_Tensor: _elementwise(Tracer.power),
    _aten.pow.Scalar: _elementwise(Tracer.power),
    _aten.abs.default: _unary("abs"),
    _aten.sign.default: _unary("sign"),
    _aten.sgn.default: _unary("sign"),
    _aten.round.default: _unary("round"),
    _aten.floor.default: _unary("floor"),
    _aten.exp.default: _unary("exp"),
    _aten.expm1.default: _unary("expm1"),
    _aten.log1p.default: _unary("log1p"),
    _aten.sin.default: _unary("sin"),
    _aten.cos.default: _unary("cos"),
    _aten.atan.default: _unary("atan"),
    _aten.tanh.default: _unary("tanh"),
    _aten.sigmoid.default: _unary("sigmoid"),
    _aten.erf.default: _unary("erf"),
    _aten.atan2.default: _binary("atan2"),
    _aten.remainder.Tensor: _plain(_remainder),
    _aten.remainder.Scalar: _plain(_remainder),
    _aten.maximum.default: _binary("maximum"),
    _aten.minimum.default: _binary("minimum"),
    _aten.relu.default: _plain(lambda a: op.where(op.binary("greater", a, ZERO), a, ZERO)),
    _aten.clamp.default: _clamp,
    _aten.clamp_min.default: _clamp,
    _aten.clamp_max.default: lambda tracer, a, high: _clamp(tracer, a, None, high),
    _aten.where.self: _plain(op.where),
    _aten.gt.Tensor: _binary("greater"),
    _aten.gt.Scalar: _binary("greater"),
    _aten.ge.Tensor: _binary("greater_equal"),
    _aten.ge.Scalar: _binary("greater_equal"),
    _aten.lt.Tensor: _binary("less"),
    _aten.lt.Scalar: _binary("less"),
    _aten.le.Tensor: _binary("less_equal"),
    _aten.le.Scalar: _binary("less_equal"),
    _aten.eq.Tensor: _binary("equal"),
    _aten.eq.Scalar: _binary("equal"),
    _aten.ne.Tensor: _binary("not_equal"),
    _aten.ne.Scalar: _binary("not_equal"),
    _aten.logical_and.default: _binary("and"),
    _aten.logical_or.default: _binary("or"),
    _aten.logical_not.default: _unary("not"),
    _aten.bitwise_and.Tensor: _binary("and"),
    _aten.bitwise_or.Tensor: _binary("or"),
    _aten.bitwise_not.default: _unary("not"),
    _aten.embedding.default: lambda tracer, table, index, *_: tracer.chosen(table, 0, index.item()),
    _aten.mm.default: _matrix_product,
    _aten.addmm.default: _added_matrix_product,
    _aten.sum.dim_IntList: _sum,
    _aten.sum.default: _sum,
    _aten.view.default: _shaping(np.reshape),
    _aten._unsafe_view.default: _shaping(np.reshape),
    _aten.reshape.default: _shaping(np.reshape),
    _aten.unsqueeze.default: _shaping(np.expand_dims),
    _aten.squeeze.dim: _shaping(np.squeeze),
    _aten.squeeze.dims: _shaping(lambda a, axes: np.squeeze(a, tuple(axes))),
    _aten.select.int: _shaping(lambda a, axis, index: np.take(a, index, axis)),
    _aten.slice.Tensor: _shaping(_slice),
    _aten.expand.default: _shaping(_expand),
    _aten.permute.default: _shaping(np.transpose),
    _aten.cat.default: _shaping(lambda parts, axis=0: np.concatenate(parts, axis)),
    _aten.stack.default: _shaping(lambda parts, axis=0: np.stack(parts, axis)),
    _aten.unbind.int: lambda _, a, axis=0: [_as_array(np.take(a, index, axis)) for index in range(a.shape[axis])],
    _aten.full.default: _shaping(_filled),
    _aten.full_like.default: _shaping(lambda a, value, **_: _filled(a.shape, value)),
    _aten.scalar_tensor.default: _shaping(lambda value, **_: _filled((), value)),
    _aten.zeros_like.default: _shaping(lambda a, **_: _filled(a.shape, 0.0)),
    _aten.ones_like.default: _shaping(lambda a, **_: _filled(a.shape, 1.0)),
    _aten._to_copy.default: _copied,
    _aten.clone.default: _copied,
    _aten.detach.default: _copied,
    _aten.alias.default: _copied,
    _aten.lift_fresh_copy.default: _copied,
    _aten.t.default: _shaping(np.transpose),
}
