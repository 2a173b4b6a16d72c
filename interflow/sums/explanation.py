"""Which backend a sum takes, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.api import prepare
from interflow.sums.backends import Backend, backend_of
from interflow.sums.backends.base import candidates
from interflow.sums.pairsum import PairSum, SelfPairs


@dataclass(frozen=True)
class Candidate:
    """What one backend has to say to a request.

    Attributes:
        name: of the backend.
        unsupported_reason: why it cannot run it; None if it can.
        error_bound: the relative error that it guarantees; 0 for round-off only, infinite if it cannot run.
        run_seconds: predicted for one sum; infinite if it cannot run.
        setup_seconds: predicted before the first one.
    """

    name: str
    unsupported_reason: str | None
    error_bound: float
    run_seconds: float
    setup_seconds: float


@dataclass(frozen=True)
class Explanation:
    """The choice of a backend for the potential and the field of a cloud. It prints as a table.

    Attributes:
        backend: the name of the backend that runs.
        settings: the same with its options, such as ``Dense(tile=768)``.
        why: the reason, in words.
        candidates: all backends, with their predictions or the reasons why they cannot run; the approximate ones alone
            where one of them was asked for.
    """

    backend: str
    settings: str
    why: str
    candidates: tuple[Candidate, ...]

    def __str__(self) -> str:
        rows = [("backend", "error bound", "run [s]", "setup [s]"), *map(self._row, self.candidates)]
        widths = [max(len(row[column]) for row in rows if len(row) > 2) for column in range(4)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=False)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"{self.backend}: {self.why}"])

    @staticmethod
    def _row(candidate: Candidate) -> tuple[str, ...]:
        if candidate.unsupported_reason is not None:
            return candidate.name, f"cannot: {candidate.unsupported_reason}"
        bound = "exact" if candidate.error_bound == 0 else f"{candidate.error_bound:.0e}"
        return candidate.name, bound, f"{candidate.run_seconds:.2g}", f"{candidate.setup_seconds:.2g}"


def explain(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
) -> Explanation:
    """Which backend `potential_and_field` would take for these arguments, and what all of them predict.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> explain(GaussianKernel(sigma=1.0), torch.rand(100, 2), torch.rand(100, 2)).backend
        'dense'
    """
    pairs = prepare(
        kernel, x, y, weights, boundary=boundary, self_pairs=self_pairs, backend=backend, tolerance=tolerance
    ).asked(order=1)
    asked = backend_of(pairs.backend)
    chosen = asked.select(pairs)
    if chosen is asked:
        chosen = asked.resolve(pairs)
    why = "it was asked for" if chosen.name == asked.name else "the least predicted time"
    others = [other for other in candidates() if asked.needs_formula or not other.needs_formula]
    return Explanation(chosen.name, repr(chosen), why, tuple(_candidate(other, pairs) for other in others))


def _candidate(backend: Backend, pairs: PairSum) -> Candidate:
    reason, bound = backend.unsupported_reason(pairs), backend.error_bound(pairs)
    if reason is None and bound > (pairs.tolerance or 0.0):
        reason = "it approximates, and no tolerance was given"
    if reason is not None:
        return Candidate(backend.name, reason, math.inf, math.inf, math.inf)
    return Candidate(backend.name, None, bound, backend.run_seconds(pairs), backend.setup_seconds(pairs))
