"""Fourier sums as matrix products of the phases of each axis, in plain torch.

The exponentials are products over the axes, and each is made of the real functions ``1, cos kθ, sin kθ``. In their
tensor product an analysis is one matrix product, ``Σⱼ (wⱼ A₁ⱼ) (A₂ⱼ ⊗ … ⊗ A_dⱼ)ᵀ``, and a synthesis another one, in
real arithmetic: as many numbers as a Hermitian array of coefficients has. Points are taken in tiles that stay in the
cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.sums.series.modes import Modes
from interflow.sums.series.transform import Accuracy, Samples, Transform


@final
@dataclass(frozen=True)
class Phases(Transform):
    """Matrix products of phases, in float64 on any device that has it; memory O(N + tile + modes).

    Args:
        tile: numbers in the working set.
    """

    tile: int = 2**18

    def at(self, points: Tensor, modes: Modes) -> Samples:
        return _PhaseSamples(modes.angles(points), modes, self.tile)


@final
@dataclass(frozen=True)
class _PhaseSamples(Samples):
    """The products at points of given angles, ``(batch, d, N)``."""

    angles: Tensor
    modes: Modes
    tile: int

    def analyse(self, weights: Tensor) -> Tensor:
        batch, count, _ = weights.shape
        first, rest = self._sides()
        total = weights.new_zeros(batch, count * first, rest)
        for b, j in self._tiles(count):
            leading, others = self._products(b, j)
            weighted = (weights[b, :, None, j] * leading[:, None]).flatten(1, 2)
            total[b] += weighted @ others.mT
        return _exponential(total.view(batch, count, *self.modes.shape), self.modes)

    def synthesise(self, coefficients: Tensor, accuracy: Accuracy | None = None, real: bool = False) -> Tensor:
        batch, count = coefficients.shape[:2]
        first, rest = self._sides()
        matrices = _trigonometric(coefficients, self.modes).reshape(batch, count * first, rest)
        values = matrices.new_empty(batch, count, self.angles.shape[2])
        for b, j in self._tiles(count):
            leading, others = self._products(b, j)
            along = (matrices[b] @ others).unflatten(1, (count, first))
            values[b, :, j] = along.mul_(leading[:, None]).sum(2)
        return values

    def _sides(self) -> tuple[int, int]:
        """Rows and columns of an array of coefficients taken as a matrix: the first axis, and all others."""
        first = self.modes.shape[0]
        return first, self.modes.count // first

    def _tiles(self, count: int) -> Iterator[tuple[slice, slice]]:
        """Parts of the batch and of the points."""
        batch, _, points = self.angles.shape
        first, rest = self._sides()
        size = max(16, self.tile // (first * (count + 1) + rest))
        group = max(1, size // max(points, 1))
        for b in range(0, batch, group):
            for j in range(0, points, size):
                yield slice(b, min(b + group, batch)), slice(j, min(j + size, points))

    def _products(self, b: slice, j: slice) -> tuple[Tensor, Tensor]:
        """The functions of the first axis, and the products of those of the others."""
        leading, *others = (_harmonics(self.angles[b, axis, j], width) for axis, width in enumerate(self.modes.widths))
        product = leading.new_ones(leading.shape[0], 1, leading.shape[2])
        for functions in others:
            product = functions if product.shape[1] == 1 else (product[:, :, None] * functions[:, None]).flatten(1, 2)
        return leading, product


def _harmonics(angle: Tensor, width: int) -> Tensor:
    """``1, cos θ, …, cos Kθ, sin θ, …, sin Kθ``, from ``(batch, n)`` to ``(batch, 2K + 1, n)``.

    The angles double by the addition theorems, which multiplies rounding errors by no more than k: as much as rounding
    θ does.
    """
    functions = angle.new_empty(angle.shape[0], 2 * width + 1, angle.shape[1])
    functions[:, 0] = 1.0
    cosines, sines = functions[:, 1 : width + 1], functions[:, width + 1 :]
    if width:
        torch.cos(angle, out=cosines[:, 0])
        torch.sin(angle, out=sines[:, 0])
    known = 1
    while known < width:
        more = min(known, width - known)
        cosine, sine = cosines[:, known - 1 : known], sines[:, known - 1 : known]
        new = slice(known, known + more)
        torch.mul(cosines[:, :more], cosine, out=cosines[:, new]).addcmul_(sines[:, :more], sine, value=-1.0)
        torch.mul(sines[:, :more], cosine, out=sines[:, new]).addcmul_(cosines[:, :more], sine)
        known += more
    return functions


def _exponential(sums: Tensor, modes: Modes) -> Tensor:
    """From sums with ``1, cos kθ, sin kθ`` on each axis to those with ``exp(−ikθ)``, k = −K, …, K."""
    first = sums.ndim - modes.dimension
    sums = sums.to(torch.complex128)
    for axis, width in enumerate(modes.widths, first):
        one, cosines, sines = sums.split([1, width, width], axis)
        sums = torch.cat([(cosines + 1j * sines).flip(axis), one, cosines - 1j * sines], axis)
    return sums


def _trigonometric(coefficients: Tensor, modes: Modes) -> Tensor:
    """The real coefficients of ``1, cos kθ, sin kθ`` on each axis that give the real part of an exponential sum."""
    first = coefficients.ndim - modes.dimension
    for axis, width in enumerate(modes.widths, first):
        negative, one, positive = coefficients.split([width, 1, width], axis)
        negative = negative.flip(axis)
        coefficients = torch.cat([one, positive + negative, 1j * (positive - negative)], axis)
    return coefficients.real
