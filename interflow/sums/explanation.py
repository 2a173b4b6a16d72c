"""Which backend a sum takes, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.backends import (
    APPROXIMATIONS,
    CANDIDATES,
    Backend,
    Options,
    PairBackend,
    backend_of,
    pair_backend_of,
)
from interflow.sums.pairsum import Question, SelfPairs
from interflow.sums.preparation import prepare


@dataclass(frozen=True)
class Candidate:
    """What one backend has to say to a request.

    Attributes:
        name: of the backend.
        obstacle: why it cannot run it; None if it can.
        promise: the relative error that it guarantees; 0 for round-off only, infinite if it cannot run.
        seconds: predicted for one sum; infinite if it cannot run.
        preparation: predicted seconds before the first one.
    """

    name: str
    obstacle: str | None
    promise: float
    seconds: float
    preparation: float


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
        rows = [("backend", "promise", "seconds a sum", "seconds before"), *map(self._row, self.candidates)]
        widths = [max(len(row[column]) for row in rows if len(row) > 2) for column in range(4)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=False)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"{self.backend}: {self.why}"])

    @staticmethod
    def _row(candidate: Candidate) -> tuple[str, ...]:
        if candidate.obstacle is not None:
            return candidate.name, f"cannot: {candidate.obstacle}"
        promise = "exact" if candidate.promise == 0 else f"{candidate.promise:.0e}"
        return candidate.name, promise, f"{candidate.seconds:.2g}", f"{candidate.preparation:.2g}"


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
    data = prepare(kernel, x, y, weights, Options(boundary, self_pairs, backend, tolerance))
    question, asked = data.question(order=1), backend_of(data.backend)
    chosen = asked.approximation(question) or pair_backend_of(data.backend).choose(question.shape)
    why = "it was asked for" if chosen.name == asked.name else "the least predicted time"
    asked_of = CANDIDATES if isinstance(asked, PairBackend) else APPROXIMATIONS  # these need no formula of a pair
    return Explanation(chosen.name, repr(chosen), why, tuple(_candidate(other, question) for other in asked_of))


def _candidate(backend: Backend, question: Question) -> Candidate:
    obstacle, promise = backend.obstacle(question), backend.promise(question)
    if obstacle is None and promise > (question.tolerance or 0.0):
        obstacle = "it approximates, and no tolerance was given"
    if obstacle is not None:
        return Candidate(backend.name, obstacle, math.inf, math.inf, math.inf)
    return Candidate(backend.name, None, promise, backend.cost(question), backend.preparation(question))
