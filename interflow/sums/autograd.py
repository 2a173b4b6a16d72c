"""The operator `pair_sum`, whose derivatives are pair sums, and values that bring their gradients along.

``pair_sum`` can be differentiated to any order in reverse and forward mode, batched by ``torch.func.vmap``, and stands
as one call in a graph that ``torch.compile`` captures, because each of its derivatives is again a ``pair_sum``.

One pass over the pairs gives a value and its derivatives by points and weights. `attach_gradient` ties them: the result
is the value, its backward pass multiplies the known gradient, and since the gradient is itself differentiable, higher
orders are right as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor

from interflow._torch_compat import apply, is_plain_arithmetic, opaque_to_compilers
from interflow.errors import BackendError
from interflow.sums.formula import derive, output_count
from interflow.sums.pairsum import PairSum, joined

_library = torch.library.Library("interflow", "DEF")
_library.define(
    "pair_max(Tensor rows, Tensor columns, Tensor parameters, str formula, str backend, bool skip_diagonal) -> Tensor"
)
_library.define(
    "pair_sum(Tensor rows, Tensor columns, Tensor parameters, str formula, str backend, bool skip_diagonal) -> Tensor"
)


class Evaluator(Protocol):
    """What carries out the sums of the operator: a backend."""

    @property
    def name(self) -> str:
        """The name by which it is reported."""

    def resolve(self, pairs: PairSum) -> Evaluator:
        """What does the work: itself, unless it is a choice between others."""

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        """Why it cannot carry out a sum; None if it can."""

    def pair_sum(self, pairs: PairSum) -> Tensor:
        """``Σⱼ f_c(Aᵢ, Bⱼ, P)``, shape ``(batch, outputs, N)``."""


EVALUATORS: Final[dict[str, Evaluator]] = {}
"""Backends by key, entered and forgotten by `interflow.sums.backends`."""

_used = ContextVar[Counter[str] | None]("used", default=None)


@contextmanager
def backends_used() -> Iterator[Counter[str]]:
    """A block that counts which backends carry out sums, by name.

    Example:
        >>> from interflow import GaussianKernel, potential
        >>> with backends_used() as counts:
        ...     u = potential(GaussianKernel(sigma=1.0), torch.zeros(3, 2), torch.zeros(3, 2), backend="dense")
        >>> dict(counts)
        {'dense': 1}
    """
    outer, counts = _used.get(), Counter[str]()
    token = _used.set(counts)
    try:
        yield counts
    finally:
        _used.reset(token)
        if outer is not None:
            outer.update(counts)


def sums_made(used: Counter[str]) -> list[dict[str, Any]]:
    """The backends that carried out sums and how many each, the busiest first, as plain data of a report."""
    return [{"backend": name, "count": count} for name, count in used.most_common()]


def note_backend(name: str) -> None:
    """Count a sum for `backends_used`."""
    counts = _used.get()
    if counts is not None:
        counts[name] += 1


class _Call(NamedTuple):
    """The arguments of the operator that are no tensors, and how the tensors divide into rows, columns, parameters."""

    formula: str
    backend: str
    skip_diagonal: bool
    rows: int
    columns: int

    def split(self, tensors: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """The tensors, or what stands for them, of rows, of columns and of parameters."""
        columns_end = self.rows + self.columns
        return tensors[: self.rows], tensors[self.rows : columns_end], tensors[columns_end:]


@opaque_to_compilers
def pair_sum(
    formula: str, backend: str, skip_diagonal: bool, rows: list[Tensor], columns: list[Tensor], parameters: list[Tensor]
) -> Tensor:
    """``out[b, c, i] = Σⱼ f_c(A[b, :, i], B[b, :, j], P[b])``.

    Args:
        formula: name of f.
        backend: key of the backend.
        skip_diagonal: leave out j = i.
        rows: the components of A, in pieces ``(1 or batch, components, N)``.
        columns: the components of B, in pieces ``(1 or batch, components, M)``.
        parameters: the components of P, float64, in pieces ``(1 or batch, components)``.
    """
    tensors = (*rows, *columns, *parameters)
    if is_plain_arithmetic(tensors):
        return _pair_sum_impl(joined(rows), joined(columns), joined(parameters), formula, backend, skip_diagonal)
    return _apply(formula, backend, skip_diagonal, rows, columns, parameters)


def _apply(
    formula: str,
    backend: str,
    skip_diagonal: bool,
    rows: Sequence[Tensor],
    columns: Sequence[Tensor],
    parameters: Sequence[Tensor],
) -> Tensor:
    blocks = (*rows, *columns, *parameters)
    result: Tensor = apply(PairSumFunction, formula, backend, skip_diagonal, len(rows), len(columns), *blocks)
    return result


@opaque_to_compilers
def pair_max(
    formula: str, backend: str, skip_diagonal: bool, rows: list[Tensor], columns: list[Tensor], parameters: list[Tensor]
) -> Tensor:
    """``maxⱼ f_c(A[b, :, i], B[b, :, j], P[b])``, a constant under differentiation; arguments as of `pair_sum`."""
    blocks = (*rows, *columns, *parameters)
    result: Tensor = apply(_PairMaxFunction, formula, backend, skip_diagonal, len(rows), len(columns), *blocks)
    return result


class _PairMaxFunction(torch.autograd.Function):
    """A maximum over pairs without derivatives."""

    @staticmethod
    def forward(formula: str, backend: str, skip: bool, row_count: int, column_count: int, *tensors: Tensor) -> Tensor:
        parts = _Call(formula, backend, skip, row_count, column_count).split(tensors)
        result: Tensor = torch.ops.interflow.pair_max(*map(joined, parts), formula, backend, skip)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> None:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        folded, unfold = _fold(info.batch_size, inputs[5:], in_dims[5:])
        total: Tensor = apply(_PairMaxFunction, *inputs[:5], *folded)
        return unfold(total), 0


class PairSumFunction(torch.autograd.Function):
    """Derivatives of a pair sum, as pair sums."""

    @staticmethod
    def forward(formula: str, backend: str, skip: bool, row_count: int, column_count: int, *tensors: Tensor) -> Tensor:
        parts = _Call(formula, backend, skip, row_count, column_count).split(tensors)
        rows, columns, parameters = map(joined, parts)
        result: Tensor = torch.ops.interflow.pair_sum(rows, columns, parameters, formula, backend, skip)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.call = _Call(*inputs[:5])
        ctx.set_materialize_grads(False)  # a missing cotangent is no reason to sum pairs
        ctx.save_for_backward(*inputs[5:])
        ctx.save_for_forward(*inputs[5:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[Any, ...]:
        if cotangent is None:
            return (None,) * (5 + len(ctx.saved_tensors))
        call: _Call = ctx.call
        rows, columns, parameters = call.split(ctx.saved_tensors)
        needed = call.split(ctx.needs_input_grad[5:])
        name, (backend, skip) = call.formula, call[1:3]
        seen = [*rows, cotangent]
        gradients: list[Tensor | None] = []
        if any(needed[0]):
            by_rows = derive(name, "vjp_rows", _components(rows, needed[0]))
            total = apply(
                PairSumFunction, by_rows, backend, skip, len(seen), len(columns), *seen, *columns, *parameters
            )
            gradients += _pieces(total, rows, needed[0])
        else:
            gradients += [None] * len(rows)
        if any(needed[1]):
            by_columns = derive(name, "vjp_columns", _components(columns, needed[1]))
            total = apply(
                PairSumFunction, by_columns, backend, skip, len(columns), len(seen), *columns, *seen, *parameters
            )
            gradients += _pieces(total, columns, needed[1])
        else:
            gradients += [None] * len(columns)
        if any(needed[2]):
            by_parameters = derive(name, "vjp_parameters", _components(parameters, needed[2]))
            total = apply(
                PairSumFunction, by_parameters, backend, skip, len(seen), len(columns), *seen, *columns, *parameters
            )
            gradients += _pieces(total.sum(-1, dtype=torch.float64), parameters, needed[2])
        else:
            gradients += [None] * len(parameters)
        return (None,) * 5 + tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        call: _Call = ctx.call
        pieces = call.split(ctx.saved_tensors)
        moving = call.split(tangents[5:])
        flags = [[tangent is not None for tangent in part] for part in moving]
        asked = [_components(part, flag) for part, flag in zip(pieces, flags, strict=True)]
        rows, columns, parameters = (
            [*part, *(tangent for tangent in tangents if tangent is not None)]
            for part, tangents in zip(pieces, moving, strict=True)
        )
        name = derive(call.formula, "jvp", *asked)
        result: Tensor = apply(
            PairSumFunction,
            name,
            call.backend,
            call.skip_diagonal,
            len(rows),
            len(columns),
            *rows,
            *columns,
            *parameters,
        )
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        folded, unfold = _fold(info.batch_size, inputs[5:], in_dims[5:])
        total: Tensor = apply(PairSumFunction, *inputs[:5], *folded)
        return unfold(total), 0


def _components(pieces: Sequence[Tensor], wanted: Sequence[bool]) -> list[int]:
    """The components of the pieces that are wanted, counted over all pieces."""
    components: list[int] = []
    start = 0
    for piece, want in zip(pieces, wanted, strict=True):
        if want:
            components.extend(range(start, start + piece.shape[1]))
        start += piece.shape[1]
    return components


def _pieces(total: Tensor, pieces: Sequence[Tensor], wanted: Sequence[bool]) -> list[Tensor | None]:
    """A gradient cut into those of the wanted pieces; summed over the batch for a piece that stands for all of it."""
    cut: list[Tensor | None] = []
    start = 0
    for piece, want in zip(pieces, wanted, strict=True):
        if not want:
            cut.append(None)
            continue
        part = total.narrow(1, start, piece.shape[1])
        start += piece.shape[1]
        cut.append(part if piece.shape[0] == part.shape[0] else part.sum(0, keepdim=True))
    return cut


def _fold(
    size: int, tensors: Sequence[Tensor], axes: Sequence[int | None]
) -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    """A new batch axis folded into the one that there is, and the way back; what stands for a whole batch stays 1."""
    front = [tensor if axis is None else tensor.movedim(axis, 0) for tensor, axis in zip(tensors, axes, strict=True)]
    inner = max(tensor.shape[axis is not None] for tensor, axis in zip(front, axes, strict=True))
    folded = [
        tensor.expand(size, inner, *tensor.shape[2:]).flatten(0, 1)
        if axis is not None
        else tensor
        if tensor.shape[0] == 1
        else tensor.repeat(size, *(1,) * (tensor.ndim - 1))
        for tensor, axis in zip(front, axes, strict=True)
    ]
    return folded, lambda total: total.unflatten(0, (size, inner))


@torch.library.impl(_library, "pair_sum", "CompositeExplicitAutograd")
def _pair_sum_impl(a: Tensor, b: Tensor, p: Tensor, formula: str, backend: str, skip: bool) -> Tensor:
    return _evaluated(PairSum(formula, (a.contiguous(),), (b.contiguous(),), p, not skip, backend))


@torch.library.impl(_library, "pair_max", "CompositeExplicitAutograd")
def _pair_max_impl(a: Tensor, b: Tensor, p: Tensor, formula: str, backend: str, skip: bool) -> Tensor:
    return _evaluated(PairSum(formula, (a.contiguous(),), (b.contiguous(),), p, not skip, backend, "max"))


def _evaluated(pairs: PairSum) -> Tensor:
    if pairs.pairs == 0:
        shape = (pairs.batch, output_count(pairs.formula), pairs.row_count)
        return pairs.x.new_full(shape, pairs.neutral)
    evaluator = EVALUATORS.get(pairs.backend)
    if evaluator is None:
        raise BackendError(f"The backend {pairs.backend} was forgotten after many others; name it again.")
    evaluator = evaluator.resolve(pairs)
    reason = evaluator.unsupported_reason(pairs)
    if reason is not None:
        raise BackendError(f"The backend {evaluator.name} cannot run this sum: {reason}.")
    note_backend(evaluator.name)
    return evaluator.pair_sum(pairs)


@torch.library.register_fake("interflow::pair_max", lib=_library)
@torch.library.register_fake("interflow::pair_sum", lib=_library)
def _pair_sum_fake(rows: Tensor, columns: Tensor, parameters: Tensor, formula: str, backend: str, skip: bool) -> Tensor:
    batch = PairSum(formula, (rows,), (columns,), parameters).batch
    return rows.new_empty(batch, output_count(formula), rows.shape[2])


@opaque_to_compilers
def attach_gradient(value: Tensor, inputs: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """The value, as a function of the inputs.

    Args:
        value: ``(batch, 1, 1)``; no gradient flows through it.
        inputs: what it depends on, each ``(1 or batch, components, n)``.
        gradients: its derivatives by the inputs, each ``(batch, components, n)``.
    """
    result: Tensor = apply(_AttachGradient, len(inputs), value.detach(), *inputs, *gradients)
    return result


class _AttachGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(count: int, value: Tensor, *tensors: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.count = inputs[0]
        ctx.set_materialize_grads(False)  # no gradient of zeros is sent into the graph of the known gradients
        ctx.save_for_backward(*inputs[2:])
        ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[Any, ...]:
        if cotangent is None:
            return (None,) * (2 + len(ctx.saved_tensors))
        inputs, gradients = _halves(ctx)
        needed = ctx.needs_input_grad[2 : 2 + ctx.count]
        weighted = [
            _summed_to(cotangent * gradient, tensor) if need else None
            for tensor, gradient, need in zip(inputs, gradients, needed, strict=True)
        ]
        return (None, None, *weighted, *(None for _ in gradients))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        gradients = ctx.saved_tensors[ctx.count :]
        pairs = [
            (gradient, tangent)
            for gradient, tangent in zip(gradients, tangents[2 : 2 + ctx.count], strict=True)
            if tangent is not None
        ]
        result: Tensor = apply(_Contraction, len(pairs), *(part for pair in zip(*pairs, strict=True) for part in pair))
        return result


class _Contraction(torch.autograd.Function):
    """``Σₘ ⟨gₘ, tₘ⟩`` over components and points; its own tangent is again one, as nested forward modes need."""

    generate_vmap_rule = True

    @staticmethod
    def forward(count: int, *tensors: Tensor) -> Tensor:
        left, right = tensors[:count], tensors[count:]
        total = sum((a * b).sum((1, 2), keepdim=True) for a, b in zip(left, right, strict=True))
        assert isinstance(total, Tensor)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.count = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        left, right = _halves(ctx)
        others = zip((*left, *right), (*right, *left), strict=True)
        return (None, *(_summed_to(cotangent * other, tensor) for tensor, other in others))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        left, right = _halves(ctx)
        others = zip((*right, *left), tangents[1:], strict=True)
        moving = [(other, tangent) for other, tangent in others if tangent is not None]
        result: Tensor = apply(
            _Contraction, len(moving), *(part for pair in zip(*moving, strict=True) for part in pair)
        )
        return result


def _halves(ctx: Any) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The saved tensors before and after ``ctx.count``, unpacked once, which is all that checkpointing allows."""
    saved = ctx.saved_tensors
    return saved[: ctx.count], saved[ctx.count :]


def _summed_to(tensor: Tensor, like: Tensor) -> Tensor:
    """Summed over the batch where ``like`` stands for all of it, in its dtype."""
    return (tensor if like.shape[0] == tensor.shape[0] else tensor.sum(0, keepdim=True)).to(like.dtype)
