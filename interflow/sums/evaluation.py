"""Expressions computed on tensors, by broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
) -> tuple[Tensor, ...]:
    """The outputs, given the tensors of the row, column and parameter leaves.

    Args:
        outputs: what to compute.
        leaves: from a leaf to its tensor.
        like: gives constants their dtype and device.
        instead: functions that compute some operations in another way.
    """
    values: dict[Expression, Tensor] = {}
    for current in ordered(outputs):
        if current.arguments:
            compute = instead.get(current.operation, OPERATIONS[current.operation].compute)
            values[current] = compute(*(values[argument] for argument in current.arguments))
        elif current.operation in ("constant", "tiny"):
            values[current] = like.new_tensor(number(current, like.dtype))
        else:
            values[current] = leaves(current)
    return tuple(values[output] for output in outputs)


def number(leaf: Expression, dtype: torch.dtype) -> float:
    """The value of a leaf that is a number."""
    return TINY_VALUE[dtype] if leaf.operation == "tiny" else leaf.value
