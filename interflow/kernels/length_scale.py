"""Radial kernels with a length σ, which may differ from axis to axis."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels.base import RadialKernel, squared_norm
from interflow.kernels.images import ImageSum, lattice_sum


class LengthScaleKernel(RadialKernel):
    """A radial kernel of ``r/σ`` with one length σ, or one an axis: then of ``√Σ(δₐ/σₐ)²``.

    A subclass writes `profile`, and what is known of images and modes, for one length; for one an axis the same is
    asked in the coordinates ``δₐ/σₐ``, of the kernel with σ = 1.

    Attributes:
        sigma: the length σ, ``()`` or ``(d,)``.
    """

    sigma: Tensor

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        if self.sigma.ndim == 0:
            return self.profile(squared_norm(displacement))
        scaled = zip(displacement, (1.0 / self.sigma).unbind(), strict=True)
        return self._isotropic().profile(squared_norm(tuple(part * rate for part, rate in scaled)))

    def check_domain(self, boundary: Boundary, dimension: int) -> None:
        if self.sigma.ndim and len(self.sigma) != dimension:
            came = f"{len(self.sigma)} lengths for points of {dimension} coordinates"
            raise ArgumentError("sigma", came=came, wanted=f"{dimension} lengths, one an axis, or one for all")

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        return super().at_zero(len(self.sigma) if self.sigma.ndim else dimension, boundary)

    @final
    def coefficients(self, frequencies: Sequence[Tensor], lengths: Tensor) -> Tensor | None:
        if self.sigma.ndim == 0:
            return self.isotropic_coefficients(squared_norm(tuple(frequencies)), lengths)
        squares = squared_norm(tuple(part * sigma for part, sigma in zip(frequencies, self.sigma, strict=True)))
        return self._isotropic().isotropic_coefficients(squares, lengths / self.sigma)

    @final
    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        if self.sigma.ndim == 0:
            return self.isotropic_tail(frequency, lengths, order)
        least = min(self._lengths)
        return self._isotropic().isotropic_tail(frequency * least, self._scaled(lengths), order) / least**order

    @final
    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        if self.sigma.ndim == 0:
            return self.isotropic_image_tail(lengths, shells, order)
        bound = self._isotropic().isotropic_image_tail(self._scaled(lengths), shells, order)
        return bound / min(self._lengths) ** order

    @final
    def supremum(self, order: int, dimension: int) -> float | None:
        if self.sigma.ndim == 0:
            return self.isotropic_supremum(order, dimension)
        largest = self._isotropic().isotropic_supremum(order, dimension)
        return None if largest is None else largest / min(self._lengths) ** order

    @final
    def images(self, lengths: tuple[float, ...], precision: float) -> ImageSum[Any]:
        if self.sigma.ndim == 0:
            return self.isotropic_images(lengths, precision)
        return ScaledAxesSum(self._isotropic().isotropic_images(self._scaled(lengths), precision))

    def isotropic_coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor | None:
        """`coefficients` for one length σ, from ``|ωₖ|²``."""
        return None

    def isotropic_tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        """`tail` for one length σ."""
        return math.inf

    def isotropic_image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        """`image_tail` for one length σ."""
        return super().image_tail(lengths, shells, order)

    def isotropic_supremum(self, order: int, dimension: int) -> float | None:
        """`supremum` for one length σ."""
        return None

    def isotropic_images(self, lengths: tuple[float, ...], precision: float) -> ImageSum[Any]:
        """`images` for one length σ."""
        return lattice_sum(self, lengths, precision)

    @property
    def _lengths(self) -> list[float]:
        """σₐ as numbers."""
        numbers: list[float] = self.sigma.detach().tolist()
        return numbers

    def _scaled(self, lengths: tuple[float, ...]) -> tuple[float, ...]:
        """The periods ``Lₐ/σₐ``."""
        return tuple(length / sigma for length, sigma in zip(lengths, self._lengths, strict=True))

    def _isotropic(self) -> Self:
        """The kernel with σ = 1."""
        clone = copy.copy(self)
        clone.__dict__["sigma"] = torch.ones((), dtype=torch.float64, device=self.sigma.device)
        return clone


@dataclass(frozen=True, slots=True)
class ScaledAxesSum(ImageSum[LengthScaleKernel]):
    """Of a kernel with one length an axis: that of the kernel with σ = 1, in the coordinates ``δₐ/σₐ``."""

    part: ImageSum[Any]

    def evaluate(
        self, kernel: LengthScaleKernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]
    ) -> Tensor:
        return self.part.evaluate(*_in_units(kernel, displacement, periods))

    def others(
        self, kernel: LengthScaleKernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]
    ) -> Tensor:
        return self.part.others(*_in_units(kernel, displacement, periods))


def _in_units(
    kernel: LengthScaleKernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]
) -> tuple[LengthScaleKernel, tuple[Tensor, ...], tuple[Tensor, ...]]:
    rates = (1.0 / kernel.sigma).unbind()
    scaled = tuple(part * rate for part, rate in zip(displacement, rates, strict=True))
    return kernel._isotropic(), scaled, tuple(period * rate for period, rate in zip(periods, rates, strict=True))
