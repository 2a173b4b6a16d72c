"""Expressions computed on tensors, by broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

from interflow.sums.expression import Expression, ordered
from interflow.sums.operations import OPERATIONS

TINY_VALUE: Final = {torch.float32: 1e-24, torch.float64: 1e-200}
"""The squared distance under which two points count as one: its inverse to the power 3/2 is still finite."""


def evaluate(
    outputs: tuple[Expression, ...],
    leaves: Callable[[Expression], Tensor],
    like: Tensor,
    instead: Mapping[str, Callable[..., Tensor]] = MappingProxyType({}),
    scalar: Callable[[float, Tensor], Tensor] = lambda value, like: like.new_tensor(value),
) -> tuple[Tensor, ...]:
    """The outputs, given the tensors of the row, column and parameter leaves.

    Args:
        outputs: what to compute.
        leaves: from a leaf to its tensor.
        like: gives constants their dtype and device.
        instead: functions that compute some operations in another way.
        scalar: from a number and ``like`` to a tensor of that number.
    """
    values: dict[Expression, Tensor] = {}
    for current in ordered(outputs):
        if current.arguments:
            compute = instead.get(current.operation, OPERATIONS[current.operation].compute)
            values[current] = compute(*(values[argument] for argument in current.arguments))
        elif current.operation in ("constant", "tiny"):
            values[current] = scalar(number(current, like.dtype), like)
        else:
            values[current] = leaves(current)
    return tuple(values[output] for output in outputs)


def cached_scalar(value: float, like: Tensor) -> Tensor:
    """A number as a tensor of ``like``'s dtype and device, made once; it must not be changed."""
    return _cached_scalar(value, like.dtype, like.device)


@lru_cache(maxsize=1024)
@torch.inference_mode(False)  # a tensor of that mode could not serve outside of it
def _cached_scalar(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def number(leaf: Expression, dtype: torch.dtype) -> float:
    """The value of a leaf that is a number."""
    return TINY_VALUE[dtype] if leaf.operation == "tiny" else leaf.value
