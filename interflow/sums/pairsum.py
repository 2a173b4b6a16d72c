"""`PairSum`: everything about one sum over pairs, checked once at the public call and handed on unchanged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import index
from typing import Literal

import torch
from torch import Tensor

from interflow._torch_compat import hide_opaque_functions
from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError, InterflowWarning
from interflow.kernels import Kernel
from interflow.sums.formula import derive, formula_name, untraced_name
from interflow.sums.images import watched
from interflow.sums.tracing import parameter_vector
from interflow.validation import can_read, check_cloud, check_instance, check_same_space

SelfPairs = bool | Literal["images"]
"""Whether the pairs i = j count; ``"images"`` if a particle's own images do, and not itself."""


Reduction = Literal["sum", "max"]
"""How what the pairs of a row give is made one."""


@dataclass(frozen=True, eq=False)
class PairSum:
    """The sum ``out_c(i) = Σⱼ f_c(Aᵢ, Bⱼ, P)`` over pairs of a row i and a column j, with its data.

    Rows and columns are blocks of components, each ``(1 or batch, components, points)``: a batch of 1 stands for all of
    the others. The first block of either side holds the points; those of a potential's columns are y and the weights,
    E of each point.

    Attributes:
        formula: name of f.
        rows: the blocks of A, with N points.
        columns: the blocks of B, with M points.
        parameters: P, ``(1 or batch, k)``, float64.
        self_pairs: whether the pairs i = j count.
        backend: key of the backend.
        reduction: how what the pairs of a row give is made one.
        law: the kernel; None inside the operator, which has tensors and names alone.
        domain: the boundary; None inside the operator.
        tolerance: the error that may be made; None for exact sums.
        row_weights: weights of the rows, ``(batch, 1, N)``, where a form of two measures is summed.
        batched: whether the caller's clouds had a batch axis.
        of_vectors: whether the caller's weights were vectors, which give E sums.
        order: 0 if the potential alone is wanted, 1 if the field is.
        highest: order of the highest derivative of the kernel that must be right: one more than is summed where
            gradients by points are wanted of the sum.
    """

    formula: str
    rows: tuple[Tensor, ...]
    columns: tuple[Tensor, ...]
    parameters: Tensor
    self_pairs: SelfPairs = True
    backend: str = "auto"
    reduction: Reduction = "sum"
    law: Kernel | None = None
    domain: Boundary | None = None
    tolerance: float | None = None
    row_weights: Tensor | None = None
    batched: bool = True
    of_vectors: bool = False
    order: int = 0
    highest: int = 0

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        x: Tensor,
        y: Tensor,
        weights: Tensor | None,
        *,
        boundary: Boundary | None,
        self_pairs: SelfPairs,
        backend: str,
        needs_formula: bool,
        tolerance: float | None,
        weights_name: str = "weights",
        accepts_vectors: bool = False,
    ) -> PairSum:
        """The potential ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)`` of a public call, checked and laid out.

        Args:
            kernel: the kernel k.
            x: ``(N, d)`` or ``(B, N, d)``.
            y: ``(M, d)`` or ``(B, M, d)``.
            weights: ``(M,)`` or ``(B, M)``; with `accepts_vectors` also ``(M, E)`` or ``(B, M, E)``; None for 1/M each.
            boundary: the domain; None for open space.
            self_pairs: whether the pairs i = j count.
            backend: key of the backend.
            needs_formula: whether that backend sums the formula of a pair, so that the kernel is traced.
            tolerance: the error that may be made; None for exact sums.
            weights_name: what the caller calls the weights of y.
            accepts_vectors: whether a weight may be a vector.

        Raises:
            ArgumentError: for what cannot be summed, naming the argument.
            KernelError: for a kernel whose code is no formula of a pair.
        """
        hide_opaque_functions()
        boundary = OpenBoundary() if boundary is None else boundary
        check_cloud(y, weights, names=("y", weights_name), batched=True, accepts_vectors=accepts_vectors)
        _check(kernel, boundary, x, y, self_pairs, tolerance)
        dimension = index(x.shape[-1])  # a number also where a compiler takes shapes for symbols: it names the formula
        one_cloud = y is x
        x = boundary.fold(in_full_precision(x))
        y = x if one_cloud else boundary.fold(in_full_precision(y))
        row = weights_row(weights, y)
        if needs_formula:
            formula = formula_name(kernel, boundary, dimension, x.dtype, weights=index(row.shape[1]))
        else:
            formula = untraced_name(kernel, boundary, dimension, x.dtype)
        parameters = parameter_vector(kernel, boundary, like=x)
        rows = components_first(x)
        return cls(
            formula=formula,
            rows=(rows,),
            columns=(rows if one_cloud else components_first(y), row),
            parameters=watched(parameters, formula, boundary, dimension, x.dtype),
            self_pairs=self_pairs,
            backend=backend,
            law=kernel,
            domain=boundary,
            tolerance=tolerance,
            batched=x.ndim == 3,
            of_vectors=weights is not None and weights.ndim == y.ndim,
        )

    @property
    def kernel(self) -> Kernel:
        """The kernel k, which is known outside of the operator."""
        assert self.law is not None
        return self.law

    @property
    def boundary(self) -> Boundary:
        """The domain, which is known outside of the operator."""
        assert self.domain is not None
        return self.domain

    @property
    def x(self) -> Tensor:
        """The points of the rows, ``(batch, d, N)``."""
        return self.rows[0]

    @property
    def y(self) -> Tensor:
        """The points of the columns, ``(batch, d, M)``."""
        return self.columns[0]

    @property
    def weights(self) -> Tensor:
        """The weights of the columns, ``(batch, E, M)``."""
        return self.columns[1]

    @property
    def dimension(self) -> int:
        """The number d of coordinates of a point."""
        return self.x.shape[1]

    @property
    def row_count(self) -> int:
        """The number N of rows."""
        return self.x.shape[-1]

    @property
    def column_count(self) -> int:
        """The number M of columns."""
        return self.y.shape[-1]

    @property
    def batch(self) -> int:
        """The number of sums of this size; 0 if one of the batches is empty."""
        sizes = [tensor.shape[0] for tensor in (*self.rows, *self.columns, self.parameters)]
        return 0 if 0 in sizes else max(sizes)

    @property
    def pairs(self) -> int:
        """The number of pairs in all sums."""
        return self.batch * self.row_count * self.column_count

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the points."""
        return self.x.dtype

    @property
    def device(self) -> str:
        """The type of the points' device: ``"cpu"``, ``"cuda"``, …."""
        return self.x.device.type

    @property
    def skip_diagonal(self) -> bool:
        """Whether a loop over the pairs leaves out i = j, with all images."""
        return self.self_pairs is not True

    @property
    def neutral(self) -> float:
        """What changes nothing in a reduction: 0 in a sum, −∞ in a maximum."""
        return 0.0 if self.reduction == "sum" else -math.inf

    @property
    def is_differentiated(self) -> bool:
        """Whether gradients by points are wanted of the sum."""
        return any(needs_gradient((self.x, self.y)))

    @property
    def is_one_cloud(self) -> bool:
        """Whether rows and columns are the same points, which then also move together under differentiation."""
        return self.x is self.y

    @property
    def value_and_gradient(self) -> str:
        """The name of the formula with its gradient by the rows' points."""
        return derive(self.formula, "with_row_gradient", range(self.dimension))

    @property
    def summed_formula(self) -> str:
        """The name of what is summed for the order that is asked for, from which a loop's time is predicted."""
        return self.value_and_gradient if self.order else self.formula

    @cached_property
    def box(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The lower and the upper corner of the smallest box that holds both clouds; on a GPU this waits for it."""
        lower = torch.minimum(self.x.detach().amin((0, 2)), self.y.detach().amin((0, 2)))
        upper = torch.maximum(self.x.detach().amax((0, 2)), self.y.detach().amax((0, 2)))
        return tuple(lower.tolist()), tuple(upper.tolist())

    def asked(self, order: int, highest: int | None = None) -> PairSum:
        """This sum for a potential or a field, with the derivatives that must be right.

        Args:
            order: 0 for the potential; 1 for the field with or without it. Within a tolerance, a potential of which
                gradients are wanted is asked for with its field: they are held to what is promised of that.
            highest: the order of the highest derivative of the kernel that must be right; None for one more than the
                order where gradients are wanted.
        """
        if highest is None:
            highest = order + self.is_differentiated
        if self.tolerance is not None:
            order = min(highest, 1)
        return replace(self, order=order, highest=highest) if order or highest else self

    def rows_alone(self, self_pairs: SelfPairs) -> PairSum:
        """The rows with themselves."""
        assert self.row_weights is not None
        return replace(self, columns=(self.x, self.row_weights), row_weights=None, self_pairs=self_pairs)

    def columns_alone(self, self_pairs: SelfPairs) -> PairSum:
        """The columns with themselves."""
        return replace(self, rows=(self.y,), row_weights=None, self_pairs=self_pairs)

    def per_cloud(self, values: Tensor) -> Tensor:
        """Values ``(batch, …)`` as the caller's clouds were given: without a batch axis where they had none."""
        return values if self.batched else values[0]

    def as_potential(self, sums: Tensor) -> Tensor:
        """Sums ``(batch, E, N)`` as the caller wants them: ``(N,)``, with a batch axis before and E after it or not."""
        return self.per_cloud(sums.mT if self.of_vectors else sums[:, 0])

    def as_field(self, sums: Tensor) -> Tensor:
        """Sums ``(batch, E·d, N)`` as the caller wants them: ``(N, d)``, or ``(N, E, d)``, with a batch axis before."""
        return self.per_cloud(sums.mT.unflatten(-1, (-1, self.dimension)) if self.of_vectors else sums.mT)


def reduced(values: Tensor, reduction: Reduction) -> Tensor:
    """Values ``(…, M)`` of the pairs of a row made one."""
    return values.sum(-1) if reduction == "sum" else values.amax(-1)


def needs_gradient(tensors: Sequence[Tensor]) -> list[bool]:
    """Of which of the tensors a gradient is asked for."""
    return [torch.is_grad_enabled() and tensor.requires_grad for tensor in tensors]


def joined(blocks: Sequence[Tensor]) -> Tensor:
    """Blocks of components as one."""
    if len(blocks) == 1:
        return blocks[0]
    batch = max(block.shape[0] for block in blocks)
    return torch.cat([block.expand(batch, *block.shape[1:]) for block in blocks], dim=1)


def components_first(points: Tensor) -> Tensor:
    """From ``(N, d)`` or ``(B, N, d)`` to ``(batch, d, N)``."""
    return points.mT if points.ndim == 3 else points.mT[None]


def weights_row(weights: Tensor | None, points: Tensor) -> Tensor:
    """The weights of points as ``(batch, E, N)`` of the same dtype; 1/N each by default.

    With as many axes as the points they are ``(N, E)`` or ``(B, N, E)``; with one less, ``(N,)`` or ``(B, N)``.
    """
    if weights is None:
        weights = points.new_full(points.shape[:-1], 1.0 / max(points.shape[-2], 1))
    weights = weights.to(points.dtype)
    row = weights.mT if weights.ndim == points.ndim else weights[..., None, :]
    return row if points.ndim == 3 else row[None]


def in_full_precision(points: Tensor) -> Tensor:
    """Points in float32 where they are in a half type, with a warning."""
    if points.dtype in (torch.float32, torch.float64):
        return points
    if not torch.compiler.is_compiling():
        warnings.warn(
            f"Pair sums of {points.dtype} positions are computed and returned in float32.", InterflowWarning, 5
        )
    return points.float()


def _check(
    kernel: Kernel, boundary: Boundary, x: Tensor, y: Tensor, self_pairs: SelfPairs, tolerance: float | None
) -> None:
    check_instance("kernel", kernel, Kernel)
    check_instance("boundary", boundary, Boundary)
    check_cloud(x, names=("x", "weights"), batched=True)
    check_same_space(x, y)
    boundary.check_dimension(x.shape[-1])
    kernel.check_domain(boundary, x.shape[-1])
    if not (isinstance(self_pairs, bool) or self_pairs == "images"):
        raise ArgumentError("self_pairs", came=repr(self_pairs), wanted="True, False or 'images'")
    if self_pairs is not True and x.shape[-2] != y.shape[-2]:
        came = f"{self_pairs!r} with {x.shape[-2]} and {y.shape[-2]} points"
        raise ArgumentError("self_pairs", came=came, wanted="as many x as y")
    if tolerance is not None:
        _check_tolerance(tolerance, x.dtype)
    if can_read(x, y):
        _check_cutoff(kernel, boundary)


def _check_tolerance(tolerance: float, dtype: torch.dtype) -> None:
    least = 4 * torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    if not least <= tolerance < 1.0:
        remedy = "Take float64 positions, or None for exact sums." if 0.0 < tolerance < least else ""
        wanted = f"a number from {least:.0e}, the round-off of {dtype}, to 1; or None for exact sums"
        raise ArgumentError("tolerance", came=tolerance, wanted=wanted, remedy=remedy)


def _check_cutoff(kernel: Kernel, boundary: Boundary) -> None:
    cutoffs = kernel.cutoffs()
    half = boundary.half_period() if cutoffs else None
    if half is None:
        return
    longest = max(float(cutoff.detach()) for cutoff in cutoffs)
    if longest > float(half):
        raise ArgumentError(
            "cutoff",
            came=f"{longest:g}",
            wanted=f"at most half of the period, {float(half):g}",
            remedy="Nearest images see each neighbour once only up to there: shorten the cutoff or enlarge the domain.",
        )
