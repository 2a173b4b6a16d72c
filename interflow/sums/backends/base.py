"""What a backend is: a way to carry out a pair sum, exactly or within a tolerance.

What an approximate backend is: a way to a potential and its field that promises an error and keeps it.

    ``‖approximate − exact‖ ≤ tolerance · (‖exact‖ + 0.01·S)``,  ``S = √N · Σ|wⱼ| · sup|k|``  (``sup|∇k|`` for fields).

The promise is kept before anything is computed: whatever a backend can set, its modes and its precision, it sets so
that the absolute error stays under ``tolerance · 0.01 · S`` for any points and weights. No sum is repeated, and no
setting depends on a result.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError, BackendError
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import Expression, topological
from interflow.sums.formula import Plan, coordinates, plan
from interflow.sums.pairsum import Inputs, Job, Prepared, Question, Request, SelfPairs
from interflow.validation import can_read


@dataclass(frozen=True)
class Options:
    """How pairs are summed.

    Attributes:
        boundary: the domain; None for open space.
        self_pairs: whether the pairs i = j count; ``"images"`` if a particle's own images do, and not itself.
        backend: a name or an instance.
        tolerance: the error that may be made; None for exact sums.
    """

    boundary: Boundary | None = None
    self_pairs: SelfPairs = True
    backend: str | Backend = "auto"
    tolerance: float | None = None


class Backend(ABC):
    """A way to a potential and its field. Instances are frozen dataclasses that carry the backend's options."""

    name: str
    needs_formula = True
    """Whether it sums the formula of a pair, so that the kernel's code must be one."""

    @abstractmethod
    def unsupported_reason(self, request: Question) -> str | None:
        """Why the request cannot be answered here; None if it can."""

    @abstractmethod
    def run_seconds(self, request: Question) -> float:
        """Predicted seconds for one sum."""

    def setup_seconds(self, request: Question) -> float:
        """Predicted seconds before the first sum, such as those of a compilation."""
        return 0.0

    @abstractmethod
    def error_bound(self, request: Question) -> float:
        """The relative error that it guarantees; 0 for exact sums, right to round-off."""

    @abstractmethod
    def approximation(self, question: Question) -> Approximation | None:
        """What answers the question without visiting every pair; None if all pairs are to be summed.

        Raises:
            BackendError: if this backend cannot answer it, with the reason.
        """

    def reads_values(self, x: Tensor, y: Tensor) -> bool:
        """Whether it may look at points that are being traced: it then says itself why it cannot sum them."""
        return can_read(x, y)

    def lacking(self, dimension: int, tolerance: float | None) -> ArgumentError | None:
        """What to raise where something is not given that any sum in so many dimensions needs; None if all is there."""
        return None

    def repeated(self) -> Self:
        """The same, as an energy or a loss means it that is evaluated again and again."""
        return self


class PairBackend(Backend):
    """A backend that visits every pair, and is exact."""

    @abstractmethod
    def unsupported_reason(self, request: Request) -> str | None: ...

    @abstractmethod
    def run_seconds(self, request: Request) -> float: ...

    def setup_seconds(self, request: Request) -> float:
        return 0.0

    def error_bound(self, request: Request) -> float:
        return 0.0

    def choose(self, request: Request) -> PairBackend:
        """The backend that will do the work: itself, unless it is a choice between others."""
        return self

    def approximation(self, question: Question) -> Approximation | None:
        return None

    @abstractmethod
    def evaluate(self, inputs: Inputs) -> Tensor:
        """``Σⱼ f_c(Aᵢ, Bⱼ, P)``, shape ``(batch, outputs, N)``."""


class LoopBackend(PairBackend):
    """An exact backend that carries out the inner loop over the pairs, and leaves to others what is outside of it."""

    def evaluate(self, inputs: Inputs) -> Tensor:
        made = plan(inputs.formula)
        before, after = outside(made, inputs.parameters, lambda leaf: inputs.rows[:, int(leaf.value)], inputs.rows)
        job = Job(inputs.formula, made.inner, inputs.rows, inputs.columns, before, inputs.skip_diagonal)
        total = self.run(job)
        if len(after) == len(made.after) and len(set(made.after)) == 1:  # as in a field, whose components share it
            return total.mul_(after[0][:, None])
        for output, factor in after.items():
            total[:, output] *= factor
        return total

    @abstractmethod
    def run(self, job: Job) -> Tensor:
        """``Σⱼ inner_c(Aᵢ, Bⱼ, P)`` for the inner expressions of the job; shape ``(batch, outputs, N)``."""


def outside(
    made: Plan, parameters: Tensor, of_row: Callable[[Expression], Tensor], like: Tensor
) -> tuple[Tensor, dict[int, Tensor]]:
    """What a plan computes outside of the loop.

    Args:
        made: the plan.
        parameters: ``(1 or batch, k)`` in float64.
        of_row: from a leaf of the row to its tensor ``(1 or batch, N)``.
        like: gives the dtype of the loop.

    Returns:
        The values before it, ``(1 or batch, components)``; and the factors after it other than 1, ``(1 or batch, 1 or
        N)``, by output.
    """

    if parameters.device.type == "cpu" and parameters.shape[0] == 1:
        before, scales = _of_parameters(made, tuple(parameters[0].tolist()), like.dtype)
    else:
        before, scales = _of_parameters_here(made, parameters, like.dtype)

    def row_or_parameter(leaf: Expression) -> Tensor:
        return parameters[:, int(leaf.value), None].to(like.dtype) if leaf.operation == "parameter" else of_row(leaf)

    if made.of_rows:
        factors = evaluate(tuple(made.after[index] for index in made.of_rows), row_or_parameter, like=like)
        scales = {**scales, **dict(zip(made.of_rows, factors, strict=True))}
    return before, scales


@lru_cache(maxsize=1024)
@torch.inference_mode(False)  # a tensor of that mode could not serve outside of it
def _of_parameters(made: Plan, values: tuple[float, ...], dtype: torch.dtype) -> tuple[Tensor, dict[int, Tensor]]:
    return _of_parameters_here(made, torch.tensor([values], dtype=torch.float64), dtype)


def _of_parameters_here(made: Plan, parameters: Tensor, dtype: torch.dtype) -> tuple[Tensor, dict[int, Tensor]]:
    """What a plan computes of the parameters alone: values before the loop, and factors after it, ``(batch, 1)``."""

    def parameter(leaf: Expression) -> Tensor:
        return parameters[:, int(leaf.value), None]

    values = evaluate(made.before, parameter, like=parameters)
    before = torch.cat(torch.broadcast_tensors(*values), 1) if values else parameters.new_zeros(1, 0)
    alone = [index for index, factor in enumerate(made.after) if factor.constant != 1.0 and index not in made.of_rows]
    factors = evaluate(tuple(made.after[index] for index in alone), parameter, like=parameters)
    scales = {index: factor.to(dtype).view(-1, 1) for index, factor in zip(alone, factors, strict=True)}
    return before.to(dtype), scales


def dimension_reason(formula: str) -> str | None:
    """Why a loop over the components of points is not to be generated; None where they are few."""
    many = coordinates(formula)
    if many <= MOST_WRITTEN_OUT:
        return None
    return f"points have {many} coordinates, and it writes out at most {MOST_WRITTEN_OUT}"


MOST_WRITTEN_OUT: Final = 64
"""Coordinates of a point up to which a loop over its components is generated."""

_HEAVY = {
    "exp": 6.0, "exp2": 4.0, "expm1": 8.0, "log": 8.0, "log1p": 8.0, "sqrt": 3.0, "rsqrt": 4.0, "divide": 3.0,
    "reciprocal": 3.0, "power": 20.0, "sin": 10.0, "cos": 10.0, "atan": 10.0, "tanh": 10.0, "sigmoid": 8.0,
    "erf": 10.0, "atan2": 15.0,
}  # fmt: skip


@lru_cache(maxsize=4096)
def operations_per_pair(formula: str) -> tuple[int, float]:
    """The number of operations on a pair, and their cost in additions."""
    made: Plan = plan(formula)
    heavy = [_HEAVY.get(current.operation, 1.0) for current in topological(made.inner) if current.per_pair]
    return len(heavy) + len(made.inner), sum(heavy) + len(made.inner)


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
    needs_formula = False

    def reads_values(self, x: Tensor, y: Tensor) -> bool:
        return True

    def approximation(self, question: Question) -> Self:
        obstacle = self.unsupported_reason(question)
        if obstacle is None and self.error_bound(question) > (question.tolerance or 0.0):
            obstacle = "it approximates, and no tolerance was given"
        if obstacle is None and (seconds := self.run_seconds(question)) > self.longest:
            obstacle = (
                f"it predicts {seconds:.2g} s, more than {self.longest:g}; take a larger tolerance, or let it go on by "
                f"{type(self).__name__}(longest=math.inf)"
            )
        if obstacle is not None:
            raise BackendError(f"The backend {self.name} cannot run this sum: {obstacle}.")
        return self

    def error_bound(self, request: Question) -> float:
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


def tolerance_needed(name: str) -> ArgumentError:
    """What to raise where a backend that approximates is named without a tolerance."""
    wanted = f"a number such as 1e-5, for {name} approximates"
    return ArgumentError("tolerance", came="none", wanted=wanted, remedy="Or take `auto`, which can sum exactly.")


def check_longest(seconds: float) -> None:
    """Raise `ArgumentError` unless it is a positive number of seconds, which may be infinite."""
    if not seconds > 0.0:
        raise ArgumentError("longest", came=seconds, wanted="a positive number of seconds")
