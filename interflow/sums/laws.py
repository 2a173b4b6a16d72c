"""Sums of any law between two particles, ``outᵢ = Σⱼ law(δ(xᵢ, yⱼ), i, j)``, with features of both sides."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from operator import index
from types import FunctionType
from typing import Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from interflow._torch_compat import constant_to_compilers, hide_opaque_functions
from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError, BackendError
from interflow.kernels.interaction import FunctionInteraction, Interaction, Law
from interflow.parameters import hyperparameters
from interflow.sums import autograd
from interflow.sums.backends import Backend, backend_key, backend_of
from interflow.sums.cache import BoundedCache, structure
from interflow.sums.formula import MAX_FORMULAS, Formula, derive, named, register
from interflow.sums.pairsum import in_full_precision
from interflow.sums.tracing import Feature, parameter_vector, trace_law
from interflow.validation import can_read, check_choice, check_instance

Features = Mapping[str, Tensor]
"""Features of particles by name: ``(N,)`` for numbers, ``(N, k)`` for vectors, batched as the points are."""

LawReduction = Literal["sum", "logsumexp"]
"""How what the pairs of a row give is made one."""


def pair_sum(
    law: Law | Interaction,
    x: Tensor,
    y: Tensor | None = None,
    *,
    x_features: Features | None = None,
    y_features: Features | None = None,
    boundary: Boundary | None = None,
    cutoff: float | None = None,
    self_pairs: bool | None = None,
    backend: str | Backend = "auto",
    reduction: LawReduction = "sum",
) -> Tensor:
    """``outᵢ = Σⱼ law(δ(xᵢ, yⱼ), i, j)``: what all particles j do to each particle i, by any law of a pair.

    The law is plain tensor code for one pair: ``law(displacement, i, j)`` with the vector ``(d,)`` from j to i, and
    particles that offer ``position`` and their features as attributes. It is traced once, and summed in O(N + M) memory
    by any exact backend; the sum can be differentiated to any order in points, features and parameters.

    Args:
        law: a function, or an `Interaction`, which may have parameters.
        x: the particles that are acted on, ``(N, d)``, with any batch axes before, float32 or float64.
        y: those that act, ``(M, d)``; batch axes broadcast as torch's do. None for the particles x.
        x_features: tensors by name, ``(N,)`` for a number or ``(N, k)`` for a vector, batched as x or shared by the
            batch. Whole numbers may index tensors of the law's parameters.
        y_features: those of y; by default those of x where y is None.
        boundary: the domain; None for open space.
        cutoff: distance from which a function counts as 0; an `Interaction` has its own.
        self_pairs: whether the pairs i = j count; by default not within one cloud.
        backend: a name or an instance; ``"auto"`` takes the fastest.
        reduction: ``"sum"`` over j, or ``"logsumexp"``, ``log Σⱼ exp(law)``, which does not overflow.

    Returns:
        ``(N,)`` where the law gives a number, ``(N, k)`` for a vector ``(k,)``, with the batch axes before.

    Raises:
        ArgumentError: for arguments that do not fit, naming the argument.
        BackendError: if the named backend cannot do it, with the reason.
        KernelError: if the law cannot be written as a formula of a pair, with the line and the remedy.

    Example:
        >>> def spring(displacement, i, j):
        ...     return -j.stiffness * displacement
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> pair_sum(spring, x, x_features={"stiffness": torch.tensor([1.0, 1.0, 2.0])})
        tensor([[ 7.],
                [ 3.],
                [-5.]])
    """
    hide_opaque_functions()
    check_choice("reduction", reduction, get_args(LawReduction))
    interaction = _interaction(law, cutoff)
    boundary = OpenBoundary() if boundary is None else boundary
    check_instance("boundary", boundary, Boundary)
    one_cloud = y is None or y is x
    if y is None:
        y, y_features = x, x_features if y_features is None else y_features
    rows = _Side.of("x", x, x_features or {}, boundary)
    columns = _Side.of("y", y, y_features or {}, boundary) if not one_cloud or y_features is not x_features else rows
    _check_fit(rows, columns, boundary)
    _check_cutoff(interaction, boundary)
    self_pairs = (not one_cloud) if self_pairs is None else self_pairs
    if not self_pairs and rows.count != columns.count:
        raise ArgumentError(
            "self_pairs", came=f"False with {rows.count} and {columns.count} points", wanted="as many x as y"
        )
    batch = torch.broadcast_shapes(rows.batch, columns.batch)
    made = _made(law, cutoff, boundary, index(x.shape[-1]), rows.described, columns.described)
    _check_limits(made, rows, columns)
    key = backend_key(backend)
    if not backend_of(key).needs_formula:
        raise BackendError(f"The backend {key} cannot run this sum: it sums kernels, not laws of a pair.")
    parameters = parameter_vector(interaction, boundary, like=rows.blocks[0])
    blocks = rows.flat(batch), columns.flat(batch), [parameters]
    reduce = autograd.pair_sum if reduction == "sum" else _logsumexp
    total: Tensor = reduce(made.formula, key, not self_pairs, *blocks)
    result = total.mT.reshape(*batch, rows.count, total.shape[1])
    return result if made.is_vector else result[..., 0]


def _logsumexp(
    formula: str, backend: str, skip_diagonal: bool, rows: list[Tensor], columns: list[Tensor], parameters: list[Tensor]
) -> Tensor:
    """``log Σⱼ exp(f)``, as ``s + log Σⱼ exp(f − s)`` for a constant s, so that it is differentiated as the sum is."""
    shift = autograd.pair_max(formula, backend, skip_diagonal, rows, columns, parameters)
    shift = torch.where(shift.isfinite(), shift, 0.0)
    exponential = derive(formula, "shifted_exponential")
    total: Tensor = autograd.pair_sum(exponential, backend, skip_diagonal, [*rows, shift], columns, parameters)
    return shift + total.log()


@dataclass(frozen=True)
class _Side:
    """The particles of one side: blocks of components ``(*batch or none, N, count)``, points first."""

    name: str
    blocks: tuple[Tensor, ...]
    described: tuple[Feature, ...]
    batch: torch.Size

    @classmethod
    def of(cls, name: str, points: Tensor, features: Features, boundary: Boundary) -> _Side:
        _check_points(name, points)
        boundary.check_dimension(points.shape[-1])
        given, points = points, in_full_precision(points)
        blocks, described = [boundary.fold(points)], []
        for key, value in features.items():
            argument = f"{name}_features[{key!r}]"
            if key == "position" or not key.isidentifier():
                raise ArgumentError(f"{name}_features", came=repr(key), wanted="a name other than position")
            feature = _feature(argument, key, value, name, given)
            described.append(feature)
            block = value.to(points.dtype) if value.dtype != points.dtype else value
            blocks.append(block[..., None] if feature.width is None else block)
        return cls(name, tuple(blocks), tuple(described), points.shape[:-2])

    @property
    def count(self) -> int:
        """The number of particles."""
        return self.blocks[0].shape[-2]

    def flat(self, batch: torch.Size) -> list[Tensor]:
        """The blocks as ``(1 or batch, components, N)``."""
        return [_flat(block, batch) for block in self.blocks]


def _flat(block: Tensor, batch: torch.Size) -> Tensor:
    own = block.shape[:-2]
    if own.numel() == 1:
        return block.reshape(1, *block.shape[-2:]).mT
    return block.expand(*batch, *block.shape[-2:]).reshape(-1, *block.shape[-2:]).mT


def _feature(argument: str, key: str, value: Tensor, name: str, points: Tensor) -> Feature:
    if not isinstance(value, Tensor):
        raise ArgumentError(argument, came=type(value).__name__, wanted="a tensor, one entry a particle")
    if value.dtype == torch.bool or value.is_complex():
        raise ArgumentError(argument, came=value.dtype, wanted="numbers or whole numbers", remedy="Convert it first.")
    is_whole = not value.is_floating_point()
    if not is_whole and value.dtype != points.dtype:
        raise ArgumentError(argument, came=value.dtype, wanted=f"{points.dtype}, as `{name}`, or whole numbers")
    if value.device != points.device:
        raise ArgumentError(argument, came=f"device {value.device}", wanted=f"{points.device}, as `{name}`")
    count, batch = points.shape[-2], points.shape[:-2]
    if value.shape in (points.shape[:-1], torch.Size([count])):
        return Feature(key, None, is_whole)
    if value.ndim >= 2 and value.shape[-2] == count and value.shape[:-2] in (batch, torch.Size([])):
        return Feature(key, index(value.shape[-1]), is_whole)
    wanted = f"shape {(*points.shape[:-1],)} or {(*points.shape[:-1], 'k')}, one entry a particle of `{name}`"
    raise ArgumentError(argument, came=f"shape {tuple(value.shape)}", wanted=wanted.replace("'k'", "k"))


def _check_points(name: str, points: Tensor) -> None:
    wanted = "a floating tensor of shape (N, d), with batch axes before"
    if not isinstance(points, Tensor):
        raise ArgumentError(name, came=type(points).__name__, wanted=wanted)
    if not points.is_floating_point():
        raise ArgumentError(name, came=points.dtype, wanted=wanted, remedy=f"Convert it with {name}.float().")
    if points.ndim < 2 or points.shape[-1] == 0:
        remedy = f"Points on a line are {name}[:, None]." if points.ndim == 1 else ""
        raise ArgumentError(name, came=f"shape {tuple(points.shape)}", wanted=wanted, remedy=remedy)


def _check_fit(rows: _Side, columns: _Side, boundary: Boundary) -> None:
    x, y = rows.blocks[0], columns.blocks[0]
    if y.shape[-1] != x.shape[-1]:
        raise ArgumentError("y", came=f"shape {tuple(y.shape)}", wanted=f"{x.shape[-1]} coordinates a point, as in `x`")
    if (y.dtype, y.device) != (x.dtype, x.device):
        raise ArgumentError("y", came=f"{y.dtype} on {y.device}", wanted=f"{x.dtype} on {x.device}, as `x`")
    try:
        torch.broadcast_shapes(rows.batch, columns.batch)
    except RuntimeError:
        wanted = f"batch axes that broadcast with those of `x`, {tuple(rows.batch)}"
        raise ArgumentError("y", came=f"shape {tuple(y.shape)}", wanted=wanted) from None
    if boundary.image_periods(x.shape[-1]) is not None:
        raise ArgumentError("boundary", came='images="all"', wanted='images="nearest" for a law of a pair')


def _interaction(law: Law | Interaction, cutoff: float | None) -> Interaction:
    if not callable(law):
        wanted = "a function law(displacement, i, j), or an Interaction"
        raise ArgumentError("law", came=f"a {type(law).__name__}", wanted=wanted)
    if isinstance(law, Interaction):
        if cutoff is not None:
            raise ArgumentError("cutoff", came=cutoff, wanted="None: an Interaction has a cutoff of its own")
        return law
    return FunctionInteraction(law, cutoff)


def _check_cutoff(law: Interaction, boundary: Boundary) -> None:
    if law.cutoff is None:
        return
    if law.cutoff.requires_grad:
        wanted = "a number: sums have no derivative by the distance at which a law ends"
        raise ArgumentError("cutoff", came="a learnable parameter", wanted=wanted)
    half = boundary.half_period()
    if half is not None and can_read(law.cutoff) and float(law.cutoff) > float(half):
        raise ArgumentError(
            "cutoff",
            came=f"{float(law.cutoff):g}",
            wanted=f"at most half of the period, {float(half):g}",
            remedy="Nearest images see each neighbour once only up to there: shorten the cutoff or enlarge the domain.",
        )


# --- formulas of laws -------------------------------------------------------------------------------------------------


class _Made(NamedTuple):
    """A law as the engine knows it.

    Attributes:
        formula: its name.
        is_vector: whether a pair gives a vector.
        limits: for whole-number features that index tensors: side, component and length.
    """

    formula: str
    is_vector: bool
    limits: tuple[tuple[str, int, int], ...]


@constant_to_compilers
def _made(
    law: Law | Interaction,
    cutoff: float | None,
    boundary: Boundary,
    dimension: int,
    rows: tuple[Feature, ...],
    columns: tuple[Feature, ...],
) -> _Made:
    law = _interaction(law, cutoff)  # made here, since a compiler that traces the sum has not made it yet
    key = _law_key(law)
    if key is None:
        made, formula = _trace(law, boundary, dimension, rows, columns)
    else:
        whole = (key, structure(boundary), dimension, rows, columns)
        made, formula = _laws.get_or_compute(whole, lambda: _trace(law, boundary, dimension, rows, columns))
    register(made.formula, formula)
    return made


_laws = BoundedCache[Hashable, tuple[_Made, Formula]](MAX_FORMULAS)


def _trace(
    law: Interaction, boundary: Boundary, dimension: int, rows: tuple[Feature, ...], columns: tuple[Feature, ...]
) -> tuple[_Made, Formula]:
    traced = trace_law(law, boundary, dimension, rows, columns)
    counts = [dimension + sum(feature.size for feature in side) for side in (rows, columns)]
    parameters = sum(value.numel() for part in (law, boundary) for value in hyperparameters(part).values())
    name, _ = named(formula := Formula(counts[0], counts[1], parameters, traced.outputs, points=dimension))
    return _Made(name, traced.is_vector, traced.limits), formula


def _law_key(law: Interaction) -> Hashable | None:
    """A key of all that the formula of a law depends on; None if that is not known, and it is traced each time."""
    if not isinstance(law, FunctionInteraction):
        return structure(law)
    key = _function_key(law.law)
    return None if key is None else (key, law.cutoff is None)


def _function_key(function: object) -> Hashable | None:
    """A key of a function's code and of the numbers, functions and classes that it reads from around it."""
    if not isinstance(function, FunctionType):
        return None
    around = inspect.getclosurevars(function)
    parts: list[Hashable] = [function.__code__]
    for value in (*(function.__defaults__ or ()), *around.nonlocals.values(), *around.globals.values()):
        if isinstance(value, FunctionType):
            key = None if value is function else _function_key(value)
            if key is None:
                return None
            parts.append(key)
        elif isinstance(value, _CONSTANTS):
            parts.append((type(value), value))
        else:
            return None
    return tuple(parts)


_CONSTANTS: Final = (int, float, complex, str, bool, type(None), type(torch), type)
"""What a function may read from around it without being traced anew at each call: numbers, modules, classes."""


def _check_limits(made: _Made, rows: _Side, columns: _Side) -> None:
    """Raise `ArgumentError` for whole-number features outside of the tensors that they index, where values are read."""
    for side, component, size in made.limits:
        particles = rows if side == "row" else columns
        start = particles.blocks[0].shape[-1]
        for feature, block in zip(particles.described, particles.blocks[1:], strict=True):
            if start <= component < start + feature.size and can_read(block) and block.numel():
                _check_range(f"{particles.name}_features[{feature.name!r}]", block[..., component - start], size)
            start += feature.size


def _check_range(argument: str, values: Tensor, size: int) -> None:
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest >= size:
        came = lowest if lowest < 0 else highest
        raise ArgumentError(
            argument, came=came, wanted=f"whole numbers from 0 to {size - 1}, which the law's table has"
        )
