"""What an approximate backend is: a way to a potential and its field that promises an error and keeps it.

    ``‖approximate − exact‖ ≤ tolerance · (‖exact‖ + 0.01·S)``,  ``S = √N · Σ|wⱼ| · sup|k|``  (``sup|∇k|`` for fields).

The promise is kept before anything is computed: whatever a backend can set, its modes and its precision, it sets so
that the absolute error stays under ``tolerance · 0.01 · S`` for any points and weights. No sum is repeated, and no
setting depends on a result.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from torch import Tensor

from interflow.errors import ArgumentError, BackendError
from interflow.sums.backends.base import Backend, Question

if TYPE_CHECKING:
    from interflow.sums.preparation import Prepared

LONGEST = 600.0
"""Predicted seconds past which a sum is refused, unless an option of the backend says otherwise."""

FLOOR = 0.01
"""The part of the natural scale S that counts where the result itself nearly vanishes."""


class Approximation(Backend):
    """A backend that gives potentials and fields within a tolerance, differentiable in all that they depend on.

    Attributes:
        longest: predicted seconds past which a sum is refused where this backend is asked for by name.
    """

    longest: float

    def approximation(self, question: Question) -> Self:
        obstacle = self.obstacle(question)
        if obstacle is None and self.promise(question) > (question.tolerance or 0.0):
            obstacle = "it approximates, and no tolerance was given"
        if obstacle is None and (seconds := self.cost(question)) > self.longest:
            obstacle = (
                f"it predicts {seconds:.2g} s, more than {self.longest:g}; take a larger tolerance, or let it go on by "
                f"{type(self).__name__}(longest=math.inf)"
            )
        if obstacle is not None:
            raise BackendError(f"The backend {self.name} cannot run this sum: {obstacle}.")
        return self

    def promise(self, request: Question) -> float:
        return math.inf if request.tolerance is None else request.tolerance

    def repeats(self, question: Question) -> bool:
        """Whether it gives the same bits each time, on the device and the number of threads at hand."""
        return True

    @abstractmethod
    def potential(self, data: Prepared) -> Tensor:
        """``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)``, the pairs i = j always counted, ``(batch, 1, N)``, in float64 where it has it."""

    @abstractmethod
    def gradient(self, data: Prepared) -> Tensor:
        """``∇ₓ uᵢ``, shape ``(batch, d, N)``."""

    def potential_and_gradient(self, data: Prepared) -> tuple[Tensor, Tensor]:
        """Both."""
        return self.potential(data), self.gradient(data)


def check_longest(seconds: float) -> None:
    """Raise `ArgumentError` unless it is a positive number of seconds, which may be infinite."""
    if not seconds > 0.0:
        raise ArgumentError("longest", came=seconds, wanted="a positive number of seconds")
