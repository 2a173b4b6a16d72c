"""What was computed of a measure, kept for the next time while the tensors of the measure stay as they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch
from torch import Tensor

from interflow.validation import can_read

ResultT = TypeVar("ResultT")

_MOST = 2
"""Results that are kept, since a target is often there in two dtypes."""


@final
class Kept(Generic[ResultT]):
    """The last results for measures of which no gradient is wanted. A copy begins with nothing.

    Example:
        >>> kept, points = Kept[int](), torch.zeros(3, 2)
        >>> [kept.of(points, None, key="a", compute=lambda: result) for result in (1, 2)]
        [1, 1]
        >>> kept.of(points.add_(1.0), None, key="a", compute=lambda: 3)
        3
    """

    def __init__(self) -> None:
        self._entries: list[_Entry[ResultT]] = []

    def of(self, points: Tensor, weights: Tensor | None, *, key: Hashable, compute: Callable[[], ResultT]) -> ResultT:
        """The result for a measure: from before if points, weights and key are those of then, and unchanged.

        Args:
            points: where the measure is.
            weights: its masses, if it has its own.
            key: all else that the result depends on.
            compute: makes it.
        """
        if not all(map(_is_constant, (points, weights))):
            return compute()
        full_key = (key, points._version, *_identity(weights))
        for entry in self._entries:
            if entry.points() is points and entry.key == full_key:
                return entry.result
        with torch.inference_mode(False), torch.no_grad():  # a tensor of that mode could not serve where gradients are
            made = _Entry(weakref.ref(points), full_key, compute())
        others = (entry for entry in self._entries if entry.points() is not None and entry.points() is not points)
        self._entries = [made, *others][:_MOST]
        return made.result

    def __reduce__(self) -> tuple[type[Kept[ResultT]], tuple[()]]:
        return Kept, ()


@dataclass(frozen=True)
class _Entry(Generic[ResultT]):
    """A result, and of what it is."""

    points: weakref.ref[Tensor]
    key: Hashable
    result: ResultT


def _is_constant(tensor: Tensor | None) -> bool:
    """Whether it can be told that a tensor stays as it is, and nothing is differentiated by it."""
    return tensor is None or (can_read(tensor) and not tensor.requires_grad and not tensor.is_inference())


def _identity(weights: Tensor | None) -> tuple[Hashable, ...]:
    return () if weights is None else (id(weights), weights._version, weights.data_ptr())
