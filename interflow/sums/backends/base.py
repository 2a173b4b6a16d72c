"""What a backend is: a way to carry out a pair sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from interflow.sums.expression import Expression, topological
from interflow.sums.formula import Plan, plan


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


class Backend(ABC):
    """A way to carry out pair sums. Instances are frozen dataclasses that carry the backend's options."""

    name: str

    @abstractmethod
    def obstacle(self, request: Request) -> str | None:
        """Why the request cannot be run here; None if it can."""

    @abstractmethod
    def cost(self, request: Request) -> float:
        """Predicted seconds for one sum."""

    def preparation(self, request: Request) -> float:
        """Predicted seconds before the first sum, such as those of a compilation."""
        return 0.0

    def choose(self, request: Request) -> Backend:
        """The backend that will do the work: itself, unless it is a choice between others."""
        return self

    def promise(self, request: Request) -> float:
        """The relative error that it guarantees; 0 for exact sums, right to round-off."""
        return 0.0

    @abstractmethod
    def run(self, job: Job) -> Tensor:
        """``Σⱼ inner_c(Aᵢ, Bⱼ, P)`` for the inner expressions of the job; shape ``(batch, outputs, N)``."""


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

    def request(self) -> Request:
        """The request that this job answers."""
        kind = self.rows.device.type
        return Request(self.formula, self.row_count, self.column_count, self.batch, self.rows.dtype, kind)


_HEAVY = {
    "exp": 6.0, "expm1": 8.0, "log": 8.0, "log1p": 8.0, "sqrt": 3.0, "rsqrt": 4.0, "divide": 3.0, "reciprocal": 3.0,
    "power": 20.0, "sin": 10.0, "cos": 10.0, "atan": 10.0, "tanh": 10.0, "sigmoid": 8.0, "erf": 10.0, "atan2": 15.0,
}  # fmt: skip


@lru_cache(maxsize=4096)
def operations_per_pair(formula: str) -> tuple[int, float]:
    """The number of operations on a pair, and their cost in additions."""
    made: Plan = plan(formula)
    heavy = [_HEAVY.get(current.operation, 1.0) for current in topological(made.inner) if current.per_pair]
    return len(heavy) + len(made.inner), sum(heavy) + len(made.inner)
