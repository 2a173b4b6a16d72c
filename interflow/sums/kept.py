"""What was computed of a measure, kept for the next time while the measure stays as it is."""

from __future__ import annotations

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

    Numbers are compared with those of then: that is cheap beside any sum, and sees every change, also those through
    NumPy or ``.data``, of which a tensor's version does not tell.

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
        """The result for a measure: from before if points, weights and key are those of then.

        Args:
            points: where the measure is.
            weights: its masses, if it has its own.
            key: all else that the result depends on.
            compute: makes it.
        """
        measure = (points,) if weights is None else (points, weights)
        if not all(map(_is_constant, measure)):
            return compute()
        for entry in self._entries:
            if entry.key == key and _equal(entry.measure, measure):
                return entry.result
        with torch.inference_mode(False), torch.no_grad():  # a tensor of that mode could not serve where gradients are
            made = _Entry(tuple(tensor.clone() for tensor in measure), key, compute())
        self._entries = [made, *self._entries][:_MOST]
        return made.result

    def __reduce__(self) -> tuple[type[Kept[ResultT]], tuple[()]]:
        return Kept, ()


@dataclass(frozen=True, eq=False)
class _Entry(Generic[ResultT]):
    """A result, and of what it is."""

    measure: tuple[Tensor, ...]
    key: Hashable
    result: ResultT


def _is_constant(tensor: Tensor) -> bool:
    """Whether its numbers may be looked at, and nothing is differentiated by it."""
    return can_read(tensor) and not tensor.requires_grad and not tensor.is_inference()


def _equal(kept: tuple[Tensor, ...], given: tuple[Tensor, ...]) -> bool:
    return len(kept) == len(given) and all(
        a.dtype == b.dtype and a.device == b.device and torch.equal(a, b) for a, b in zip(kept, given, strict=True)
    )
