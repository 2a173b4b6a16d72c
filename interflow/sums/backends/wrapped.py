"""Differences of points on a torus, some components of all pairs at a time.

The shortest way ``δ = (x − y) − L·round((x − y)/L)`` comes of no matrix product. Blocks of its components are made
wherever they are wanted, and never all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

AT_ONCE: Final = 1 << 19
"""Components of pairs in a block, which should fit the cache."""


@dataclass(frozen=True)
class WrappedDifferences:
    """``δ(xᵢ, yⱼ)`` of all pairs of a tile; a batch of 1 stands for all of the others.

    Attributes:
        x: ``(1 or batch, d, N)``.
        y: ``(1 or batch, d, M)``.
        lengths: the periods L, ``(1 or batch, d)`` in float64; 0 on an axis without one.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor

    @cached_property
    def squared(self) -> Tensor:
        """``|δ|²``, ``(1 or batch, N, M)``."""
        return self._total(part.square_() for _, part in self._blocks())

    def along(self, vectors: Tensor) -> Tensor:
        """``⟨δ, v⟩``, ``(1 or batch, N, M)``, for vectors ``(1 or batch, d, N or 1, 1 or M)``."""
        return self._total(part * vectors[:, axes] for axes, part in self._blocks())

    def weighted(self, coefficients: Tensor) -> Tensor:
        """``Σⱼ hᵢⱼ δᵢⱼ``, ``(batch, N, d)``, for coefficients ``(batch, N, M)``."""
        return torch.cat([(coefficients[:, None] * part).sum(-1) for _, part in self._blocks()], 1).mT

    def _total(self, blocks: Iterator[Tensor]) -> Tensor:
        total = next(blocks).sum(1)
        for part in blocks:
            total += part.sum(1)
        return total

    def _blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """The components of δ, ``(1 or batch, some, N, M)``, and which they are."""
        batch = max(len(self.x), len(self.y), len(self.lengths))
        size = max(1, AT_ONCE // (batch * self.x.shape[2] * self.y.shape[2]))
        inverse = torch.where(self.lengths > 0.0, self.lengths.reciprocal(), 0.0).to(self.x.dtype)
        lengths = self.lengths.to(self.x.dtype)
        for start in range(0, self.x.shape[1], size):
            axes = slice(start, start + size)
            straight = self.x[:, axes, :, None] - self.y[:, axes, None, :]
            turns = (straight * inverse[:, axes, None, None]).round_()
            yield axes, straight - turns * lengths[:, axes, None, None]
