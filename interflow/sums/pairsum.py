"""One pair sum on its way from the public call to a backend: what is asked for, and the data that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.expression import Expression
from interflow.sums.formula import derive
from interflow.sums.known import requiring_gradient

SelfPairs = bool | Literal["images"]
"""Whether the pairs i = j count; ``"images"`` if a particle's own images do, and not itself."""


@dataclass(frozen=True)
class Prepared:
    """The data of the potential ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)`` as the engine wants it, components before points.

    Attributes:
        formula: name of ``w·k(x, y)``.
        backend: key of the backend.
        skip_diagonal: leave out i = j, with all images.
        own_images: put the images of a particle at itself back, all but the nearest.
        kernel: the kernel k.
        boundary: the domain.
        tolerance: the error that may be made; None for exact sums.
        x: ``(batch, d, N)``.
        y: ``(batch, d, M)``.
        weights: ``(batch, 1, M)``.
        parameters: float64, ``(1, k)``.
        batched: whether the caller's clouds had a batch axis.
    """

    formula: str
    backend: str
    skip_diagonal: bool
    own_images: bool
    kernel: Kernel
    boundary: Boundary
    tolerance: float | None
    x: Tensor
    y: Tensor
    weights: Tensor
    parameters: Tensor
    batched: bool

    @property
    def axes(self) -> range:
        """The components of a point."""
        return range(self.x.shape[1])

    @property
    def differentiated(self) -> bool:
        """Whether gradients by points are wanted of what is summed."""
        return any(requiring_gradient([self.x, self.y]))

    def question(self, order: int, highest: int | None = None) -> Question:
        """What a backend is asked.

        Args:
            order: 0 for the potential; 1 for the field with or without it. Within a tolerance, a potential of which
                gradients are wanted is asked for with its field: they are held to what is promised of that.
            highest: the order of the highest derivative of the kernel that must be right; None for one more than the
                order where gradients are wanted.
        """
        if highest is None:
            highest = order + self.differentiated
        if self.tolerance is not None:
            order = min(highest, 1)
        return Question(
            formula=derive(self.formula, "with_row_gradient", self.axes) if order else self.formula,
            rows=self.x.shape[2],
            columns=self.y.shape[2],
            batch=self.x.shape[0],
            dtype=self.x.dtype,
            device=self.x.device.type,
            kernel=self.kernel,
            boundary=self.boundary,
            order=order,
            highest=highest,
            tolerance=self.tolerance,
            x=self.x,
            y=self.y,
        )


@dataclass(frozen=True)
class Request:
    """A pair sum that is to be done, before any data is touched.

    Attributes:
        formula: name of the formula.
        rows: N.
        columns: M.
        batch: number of sums of this size.
        dtype: of the positions.
        device: of the positions, by type: ``"cpu"``, ``"cuda"``, ….
    """

    formula: str
    rows: int
    columns: int
    batch: int
    dtype: torch.dtype
    device: str

    @property
    def pairs(self) -> int:
        """Pairs in one such sum."""
        return self.batch * self.rows * self.columns


@dataclass(frozen=True, eq=False)
class Question(Request):
    """A request with what the error of an approximation depends on: the kernel, the domain, where the points lie.

    Attributes:
        kernel: the kernel k.
        boundary: the domain.
        order: 0 if the potential alone is wanted, 1 if the field is.
        highest: the order of the highest derivative of the kernel that must be right: one more than is summed where
            gradients by points are wanted of the sum.
        tolerance: the error that may be made; None for exact sums.
        x: ``(batch, d, N)``.
        y: ``(batch, d, M)``.
    """

    kernel: Kernel
    boundary: Boundary
    order: int
    highest: int
    tolerance: float | None
    x: Tensor
    y: Tensor

    @property
    def shape(self) -> Request:
        """The request alone, by which an exact backend is chosen."""
        return Request(self.formula, self.rows, self.columns, self.batch, self.dtype, self.device)

    @property
    def dimension(self) -> int:
        """d."""
        return self.x.shape[1]

    @cached_property
    def box(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The lower and the upper corner of the smallest box that holds both clouds; on a GPU this waits for it."""
        lower = torch.minimum(self.x.detach().amin((0, 2)), self.y.detach().amin((0, 2)))
        upper = torch.maximum(self.x.detach().amax((0, 2)), self.y.detach().amax((0, 2)))
        return tuple(lower.tolist()), tuple(upper.tolist())


@dataclass(frozen=True)
class Inputs:
    """The data of a pair sum, components first and contiguous; a batch of 1 stands for all of the others.

    Attributes:
        formula: name of the formula.
        rows: ``(1 or batch, components, N)``.
        columns: ``(1 or batch, components, M)``.
        parameters: ``(1 or batch, components)``, float64.
        skip_diagonal: leave out the pairs i = j.
    """

    formula: str
    rows: Tensor
    columns: Tensor
    parameters: Tensor
    skip_diagonal: bool

    @property
    def batch(self) -> int:
        """Number of sums; 0 if one of the batches is empty."""
        sizes = [tensor.shape[0] for tensor in (self.rows, self.columns, self.parameters)]
        return 0 if 0 in sizes else max(sizes)

    def request(self) -> Request:
        """The request that these data answer."""
        shape = (self.rows.shape[-1], self.columns.shape[-1], self.batch)
        return Request(self.formula, *shape, self.rows.dtype, self.rows.device.type)


@dataclass(frozen=True)
class Job:
    """A pair sum with its data, components first and contiguous; a batch of 1 stands for all of the others.

    Attributes:
        formula: name of the formula.
        inner: the expressions to sum.
        rows: ``(1 or batch, components, N)``.
        columns: ``(1 or batch, components, M)``.
        parameters: values of the parameter leaves of `inner`, ``(1 or batch, components)``, in the dtype of `rows`.
        skip_diagonal: leave out the pairs i = j.
    """

    formula: str
    inner: tuple[Expression, ...]
    rows: Tensor
    columns: Tensor
    parameters: Tensor
    skip_diagonal: bool

    @property
    def batch(self) -> int:
        """Number of sums."""
        return max(self.rows.shape[0], self.columns.shape[0], self.parameters.shape[0])

    @property
    def row_count(self) -> int:
        """N."""
        return self.rows.shape[-1]

    @property
    def column_count(self) -> int:
        """M."""
        return self.columns.shape[-1]
