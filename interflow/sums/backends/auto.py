"""The choice of a backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.sums.backends.base import Backend, Job, Request
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.keops import Keops

CANDIDATES: Final[tuple[Backend, ...]] = (Dense(), Compiled(), Keops())
"""The backends to choose from."""


@dataclass(frozen=True)
class Auto(Backend):
    """The backend with the least predicted time among those that can run a sum.

    The choice depends on the request alone, so that a program chooses alike every time it runs.

    Args:
        repetitions: how many sums of this kind are expected; a compilation must pay for itself within them.
    """

    repetitions: int = 1
    name = "auto"

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise ArgumentError("repetitions", came=self.repetitions, wanted="a positive whole number")

    def obstacle(self, request: Request) -> str | None:
        return None

    def cost(self, request: Request) -> float:
        return self.choose(request).cost(request)

    def choose(self, request: Request) -> Backend:
        return _cheapest(self, request)

    def time_each(self, backend: Backend, request: Request) -> float:
        """Predicted seconds a sum, the preparation shared among the repetitions."""
        return backend.preparation(request) / self.repetitions + backend.cost(request)

    def run(self, job: Job) -> Tensor:
        return self.choose(job.request()).run(job)


@lru_cache(maxsize=4096)
def _cheapest(choice: Auto, request: Request) -> Backend:
    able = [backend for backend in CANDIDATES if backend.obstacle(request) is None]
    return min(able, key=lambda backend: choice.time_each(backend, request))


def repeated(backend: str | Backend) -> str | Backend:
    """The backend as an energy or a loss means it, which is evaluated again and again: ``"auto"`` counts on that."""
    return _REPEATED if backend == "auto" else backend


_REPEATED = Auto(repetitions=200)
