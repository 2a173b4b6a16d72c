"""The one operation on which everything rests: a pair sum, opaque to compilers, closed under differentiation.

``pair_sum`` can be differentiated to any order in reverse and forward mode, batched by ``torch.func.vmap``, and stands
as one call in a graph that ``torch.compile`` captures, because each of its derivatives is again a ``pair_sum``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from interflow._torch_compat import apply, is_plain_arithmetic, opaque_to_compilers
from interflow.errors import BackendError
from interflow.sums.backends.registry import pair_backend_of
from interflow.sums.formula import derive, output_count
from interflow.sums.pairsum import Inputs

_library = torch.library.Library("interflow", "DEF")
_library.define(
    "pair_sum(Tensor rows, Tensor columns, Tensor parameters, str formula, str backend, bool skip_diagonal) -> Tensor"
)


class Spec(NamedTuple):
    """What is summed and how; and how the tensors that follow divide into rows, columns and parameters."""

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
        return _run(_joined(rows), _joined(columns), _joined(parameters), formula, backend, skip_diagonal)
    result: Tensor = apply(PairSum, formula, backend, skip_diagonal, len(rows), len(columns), *tensors)
    return result


class PairSum(torch.autograd.Function):
    """Derivatives of a pair sum, as pair sums."""

    @staticmethod
    def forward(formula: str, backend: str, skip: bool, row_count: int, column_count: int, *tensors: Tensor) -> Tensor:
        parts = Spec(formula, backend, skip, row_count, column_count).split(tensors)
        rows, columns, parameters = map(_joined, parts)
        result: Tensor = torch.ops.interflow.pair_sum(rows, columns, parameters, formula, backend, skip)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.spec = Spec(*inputs[:5])
        ctx.set_materialize_grads(False)  # a missing cotangent is no reason to sum pairs
        ctx.save_for_backward(*inputs[5:])
        ctx.save_for_forward(*inputs[5:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[Any, ...]:
        if cotangent is None:
            return (None,) * (5 + len(ctx.saved_tensors))
        spec: Spec = ctx.spec
        rows, columns, parameters = spec.split(ctx.saved_tensors)
        needed = spec.split(ctx.needs_input_grad[5:])
        name, (backend, skip) = spec.formula, spec[1:3]
        seen = [*rows, cotangent]
        gradients: list[Tensor | None] = []
        if any(needed[0]):
            by_rows = derive(name, "rows", _components(rows, needed[0]))
            total = apply(PairSum, by_rows, backend, skip, len(seen), len(columns), *seen, *columns, *parameters)
            gradients += _pieces(total, rows, needed[0])
        else:
            gradients += [None] * len(rows)
        if any(needed[1]):
            by_columns = derive(name, "columns", _components(columns, needed[1]))
            total = apply(PairSum, by_columns, backend, skip, len(columns), len(seen), *columns, *seen, *parameters)
            gradients += _pieces(total, columns, needed[1])
        else:
            gradients += [None] * len(columns)
        if any(needed[2]):
            by_parameters = derive(name, "parameters", _components(parameters, needed[2]))
            total = apply(PairSum, by_parameters, backend, skip, len(seen), len(columns), *seen, *columns, *parameters)
            gradients += _pieces(total.sum(-1, dtype=torch.float64), parameters, needed[2])
        else:
            gradients += [None] * len(parameters)
        return (None,) * 5 + tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        spec: Spec = ctx.spec
        pieces = spec.split(ctx.saved_tensors)
        moving = spec.split(tangents[5:])
        flags = [[tangent is not None for tangent in part] for part in moving]
        asked = [_components(part, flag) for part, flag in zip(pieces, flags, strict=True)]
        rows, columns, parameters = (
            [*part, *(tangent for tangent in tangents if tangent is not None)]
            for part, tangents in zip(pieces, moving, strict=True)
        )
        name = derive(spec.formula, "tangent", *asked)
        result: Tensor = apply(
            PairSum, name, spec.backend, spec.skip_diagonal, len(rows), len(columns), *rows, *columns, *parameters
        )
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        folded, unfold = _fold(info.batch_size, inputs[5:], in_dims[5:])
        total: Tensor = apply(PairSum, *inputs[:5], *folded)
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
def _run(a: Tensor, b: Tensor, p: Tensor, formula: str, backend: str, skip: bool) -> Tensor:
    inputs = Inputs(formula, a.contiguous(), b.contiguous(), p, skip)
    if inputs.batch == 0 or a.shape[2] == 0 or b.shape[2] == 0:
        return a.new_zeros(inputs.batch, output_count(formula), a.shape[2])
    chosen = pair_backend_of(backend).choose(inputs.request())
    obstacle = chosen.unsupported_reason(inputs.request())
    if obstacle is not None:
        raise BackendError(f"The backend {chosen.name} cannot run this sum: {obstacle}.")
    return chosen.evaluate(inputs)


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    """The pieces as one tensor of components."""
    if len(pieces) == 1:
        return pieces[0]
    batch = max(piece.shape[0] for piece in pieces)
    return torch.cat([piece.expand(batch, *piece.shape[1:]) for piece in pieces], dim=1)


@torch.library.register_fake("interflow::pair_sum", lib=_library)
def _shape(rows: Tensor, columns: Tensor, parameters: Tensor, formula: str, backend: str, skip: bool) -> Tensor:
    batch = Inputs(formula, rows, columns, parameters, skip).batch
    return rows.new_empty(batch, output_count(formula), rows.shape[2])
