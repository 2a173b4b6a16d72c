"""KeOps: the formula on lazy tensors, compiled and run by KeOps (Charlier et al., 2021)."""

from __future__ import annotations

import functools
import importlib.util
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor

from interflow.errors import BackendError
from interflow.sums.backends.base import Backend, Job, Request, operations_per_pair
from interflow.sums.evaluation import number
from interflow.sums.expression import Expression, topological
from interflow.sums.formula import plan

_logger = logging.getLogger("interflow")
_first_use = threading.Lock()  # KeOps builds its own library when it is first imported

LARGEST: Final = 600
"""Operations after which a formula is refused: KeOps writes trees without common parts and compiles them for minutes."""


@dataclass(frozen=True)
class Keops(Backend):
    """Exact sums by KeOps, on the CPU or on CUDA, with memory O(N + M)."""

    name = "keops"

    def obstacle(self, request: Request) -> str | None:
        if importlib.util.find_spec("pykeops") is None:
            return "the package pykeops is not installed"
        if request.device not in ("cpu", "cuda"):
            return f"it runs on the CPU and on CUDA, not on {request.device}"
        inner = plan(request.formula).inner
        foreign = {node.operation for node in topological(inner) if node.arguments} - _OPERATIONS.keys()
        if foreign:
            return f"KeOps has no operation {', '.join(sorted(foreign))}"
        size = sum(_tree_sizes(inner))
        if size > LARGEST:
            return f"as a tree the formula has {size} operations, more than the {LARGEST} that KeOps compiles in time"
        if request.dtype == torch.float32 and max(request.rows, request.columns) > 2**24:
            return "indices above 2²⁴ are not exact in float32"
        return None

    def preparation(self, request: Request) -> float:
        return 8.0

    def cost(self, request: Request) -> float:
        _, weight = operations_per_pair(request.formula)
        rate = 4e9 * torch.get_num_threads() if request.device == "cpu" else 1e13
        return 1e-3 + request.pairs * weight / rate

    def run(self, job: Job) -> Tensor:
        lazy = _keops().LazyTensor

        def leaf(expression: Expression) -> Any:
            index = int(expression.value)
            if expression.operation == "row":
                return lazy(job.rows[:, index, :, None, None])
            if expression.operation == "column":
                return lazy(job.columns[:, index, None, :, None])
            return lazy(job.parameters[:, index, None, None, None])

        values = _evaluate(job, leaf)
        if job.skip_diagonal:
            same = lazy(_index(job)[None, :, None, None]) - lazy(_index(job)[None, None, :, None])
            values = [(same.abs() - 0.5).ifelse(value, 0.0 * same) for value in values]
        sums = [self._reduce(value, job) for value in values]
        return torch.stack(sums, dim=1)

    def _reduce(self, value: Any, job: Job) -> Tensor:
        kind = "CPU" if job.rows.device.type == "cpu" else "GPU"
        try:
            total: Tensor = value.sum(dim=2, backend=kind)
        except (RuntimeError, ValueError, OSError) as error:
            raise BackendError(f"The backend keops could not run this sum: {error}") from error
        return total.reshape(-1, job.row_count).expand(job.batch, job.row_count)
