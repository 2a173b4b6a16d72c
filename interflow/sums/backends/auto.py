"""The choice of a backend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.sums.backends.base import Approximation, Backend, PairBackend
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.fourier import Fourier
from interflow.sums.backends.keops import Keops
from interflow.sums.backends.nufft import Nufft
from interflow.sums.backends.sorted import Sorted
from interflow.sums.pairsum import Inputs, Question, Request

PAIR_BACKENDS: Final[tuple[PairBackend, ...]] = (Dense(), Compiled(), Keops())
"""The exact backends to choose from."""

APPROXIMATIONS: Final[tuple[Approximation, ...]] = (Fourier(), Nufft(), Sorted())
"""The approximate backends to choose from."""

CANDIDATES: Final[tuple[Backend, ...]] = (*PAIR_BACKENDS, *APPROXIMATIONS)
"""All backends to choose from."""

_SOON = 3e-4
"""Seconds for all pairs under which it is not worth asking for anything faster."""


@dataclass(frozen=True)
class Auto(PairBackend):
    """The backend with the least predicted time among those that can run a sum and promise its tolerance.

    The choice depends on sizes, parameters and the domain, and on the points only through the box that they fill, so
    that a program chooses alike every time it runs.

    Args:
        repetitions: how many sums of this kind are expected, within which a compilation must pay for itself; None for
            1, or 200 where an energy or a loss sums.
        deterministic: leave out whatever does not give the same bits each time, such as `nufft` on CUDA.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Auto(deterministic=True))
        tensor([1., 1.])
    """

    repetitions: int | None = None
    deterministic: bool = False
    name = "auto"

    def __post_init__(self) -> None:
        if self.repetitions is not None and self.repetitions < 1:
            raise ArgumentError("repetitions", came=self.repetitions, wanted="a positive whole number, or None")

    def unsupported_reason(self, request: Request) -> str | None:
        return None

    def run_seconds(self, request: Request) -> float:
        return self.choose(request).run_seconds(request)

    def choose(self, request: Request) -> PairBackend:
        return _cheapest(self, request)

    def approximation(self, question: Question) -> Approximation | None:
        seconds = self.time_each(self.choose(question.shape), question)
        if seconds < _SOON:
            return None
        allowed = question.tolerance or 0.0
        able = [backend for backend in APPROXIMATIONS if backend.error_bound(question) <= allowed]
        able = [backend for backend in able if not self.deterministic or backend.repeats(question)]
        able = [backend for backend in able if backend.unsupported_reason(question) is None]
        best = min(able, key=lambda backend: self.time_each(backend, question), default=None)
        return None if best is None or self.time_each(best, question) >= seconds else best

    def time_each(self, backend: Backend, question: Question) -> float:
        """Predicted seconds a sum, the preparation shared among the repetitions."""
        return backend.setup_seconds(question) / (self.repetitions or 1) + backend.run_seconds(question)

    def repeated(self) -> Self:
        return self if self.repetitions else replace(self, repetitions=200)

    def evaluate(self, inputs: Inputs) -> Tensor:
        return self.choose(inputs.request()).evaluate(inputs)


@lru_cache(maxsize=4096)
def _cheapest(choice: Auto, request: Request) -> PairBackend:
    able = [backend for backend in PAIR_BACKENDS if backend.unsupported_reason(request) is None]

    def seconds(backend: PairBackend) -> float:
        return backend.setup_seconds(request) / (choice.repetitions or 1) + backend.run_seconds(request)

    return min(able, key=seconds)
