"""What exact backends share that loop over the pairs of a formula: the work outside of the loop, and its cost."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from interflow.sums.backends.base import Backend
from interflow.sums.evaluation import evaluate
from interflow.sums.expression import Expression, topological
from interflow.sums.formula import MOST_WRITTEN_OUT, coordinates
from interflow.sums.optimise import Plan, plan
from interflow.sums.pairsum import PairSum


class LoopBackend(Backend):
    """An exact backend that carries out the inner loop over the pairs, and leaves to others what is outside of it."""

    def pair_sum(self, pairs: PairSum) -> Tensor:
        made = plan(pairs.formula, whole=pairs.reduction == "max")
        before, after = outside(made, pairs.parameters, lambda leaf: pairs.x[:, int(leaf.value)], pairs.x)
        total = self.sum_loop(replace(pairs, parameters=before), made.inner)
        if len(after) == len(made.after) and len(set(made.after)) == 1:  # as in a field, whose components share it
            return total.mul_(after[0][:, None])
        for output, factor in after.items():
            total[:, output] *= factor
        return total

    @abstractmethod
    def sum_loop(self, pairs: PairSum, body: tuple[Expression, ...]) -> Tensor:
        """``Σⱼ body_c(Aᵢ, Bⱼ, P)``, shape ``(batch, outputs, N)``, where P are the values of the body's parameters."""


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
