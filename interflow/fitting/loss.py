"""A discrepancy to a fixed target, whose value spares the part that depends on the target alone."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from interflow.discrepancies import Discrepancy


@final
class Loss:
    """The discrepancy to a target, in float64 whatever the descent is in, since it is a small difference of large sums.

    Args:
        discrepancy: D.
        target: ``(M, d)``.
        weights: ``(M,)``; None for 1/M.
    """

    def __init__(self, discrepancy: Discrepancy, target: Tensor, weights: Tensor | None) -> None:
        self._discrepancy = discrepancy
        self._target = target.double()
        self._weights = None if weights is None else weights.double()
        self._constant: float | None = None

    @torch.no_grad()
    def __call__(self, positions: Tensor, weights: Tensor) -> float:
        """D of a weighted cloud."""
        arguments = (positions.double(), self._target, weights.double(), self._weights)
        relative = float(self._discrepancy.relative(*arguments))
        if self._constant is None:
            self._constant = float(self._discrepancy(*arguments)) - relative
        return relative + self._constant
