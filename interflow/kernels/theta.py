"""Gaussians summed over a lattice (Jacobi's theta functions): bounds, and the sum over images as a formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from interflow.kernels.images import ImageKernel, ImageSum, first_beyond, total, union

_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def mode_tail(sigma: float, frequency: float, lengths: Sequence[float], order: int) -> float:
    """A bound of ``Σ |ωₖ|ᵐ cₖ`` over the modes with ``|ωₖ|_∞`` above a frequency."""
    spacings = [2.0 * math.pi / length for length in lengths]
    starts = [first_beyond(frequency, spacing) for spacing in spacings]
    scale = math.prod(_ROOT_TWO_PI * sigma / length for length in lengths)
    return scale * _outside(1.0 / sigma, spacings, [(start, start) for start in starts], order)


def image_tail(sigma: float, lengths: Sequence[float], shells: int, order: int) -> float:
    """A bound of ``Σ |∇ᵐ k(δ + nL)|`` over the images with ``|n|_∞ > shells``, whatever the nearest image δ; m ≤ 2."""
    starts = [((shells + 0.5) * length, (shells + 1.0) * length) for length in lengths]
    leading = _outside(sigma, lengths, starts, order) / sigma ** (2 * order)
    return leading if order < 2 else leading + _outside(sigma, lengths, starts, 0) / sigma**2


def _outside(width: float, spacings: Sequence[float], starts: Sequence[tuple[float, float]], order: int) -> float:
    """A bound of ``Σ |z|ᵐ exp(−|z|²/2w²)`` over the points of a lattice that lie, on some axis, beyond its starts.

    The Gaussian is a product over the axes, and ``|z|ᵐ ≤ Σₐ |zₐ|ᵐ``, for m > 2 times ``d^(m/2 − 1)``.
    """
    axes = list(zip(spacings, starts, strict=True))
    outer = [[sum(_beyond(width, h, start, m) for start in pair) for h, pair in axes] for m in (0, order)]
    whole = [[_all(width, h, m) for h in spacings] for m in (0, order)]
    if order == 0:
        return union(outer[0], whole[0])
    return math.pow(len(axes), max(0.5 * order - 1.0, 0.0)) * sum(
        union(_replaced(outer[0], outer[1], axis), _replaced(whole[0], whole[1], axis)) for axis in range(len(axes))
    )


def _replaced(values: Sequence[float], others: Sequence[float], axis: int) -> list[float]:
    return [*values[:axis], others[axis], *values[axis + 1 :]]


def _beyond(width: float, spacing: float, start: float, order: int) -> float:
    """A bound of ``Σ zᵐ exp(−z²/2w²)`` over z = start, start + h, …: the largest term and the integral from there."""
    if math.isinf(start):
        return 0.0
    peak = max(start, math.sqrt(order) * width)
    return math.pow(peak, order) * _bell(peak, width) + _moment(width, start, order) / spacing


def _all(width: float, spacing: float, order: int) -> float:
    """A bound of ``Σ |z|ᵐ exp(−z²/2w²)`` over z = δ + nh for all n, whatever δ: the peaks and the integral."""
    peak, peaks = math.sqrt(order) * width, 2.0 if order else 1.0
    return peaks * math.pow(peak, order) * _bell(peak, width) + 2.0 * _moment(width, 0.0, order) / spacing


def _moment(width: float, start: float, order: int) -> float:
    """``∫ zᵐ exp(−z²/2w²) dz`` from a start."""
    if order == 0:
        return 0.5 * _ROOT_TWO_PI * width * math.erfc(start / (math.sqrt(2.0) * width))
    below = (order - 1) * _moment(width, start, order - 2) if order > 1 else 0.0
    return width**2 * (math.pow(start, order - 1) * _bell(start, width) + below)


def _bell(z: float, width: float) -> float:
    return math.exp(-0.5 * (z / width) ** 2)


# --- the sum over images ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Theta:
    """The sum over the images on one axis, in space or in frequency.

    ``Σₙ exp(−(δ + nL)²/2σ²) = √(2π) σ/L · (1 + 2 Σₖ exp(−σ²ωₖ²/2) cos(ωₖ δ))``  (Poisson, 1823)

    Attributes:
        shells: images on each side, where they are summed.
        modes: k up to which the series goes; 0 where images are summed.
    """

    shells: int
    modes: int = 0

    def evaluate(self, sigma: Tensor, delta: Tensor, period: Tensor) -> Tensor:
        if not self.modes:
            shifts = range(-self.shells, self.shells + 1)
            return total([((delta + float(n) * period).square() * (-0.5 / sigma.square())).exp() for n in shifts])
        frequency = 2.0 * math.pi / period
        decay = -0.5 * (sigma * frequency).square()
        modes = [float(k) for k in range(1, self.modes + 1)]
        series = total([(delta * (k * frequency)).cos() * (2.0 * (k * k * decay).exp()) for k in modes])
        return (_ROOT_TWO_PI * sigma / period) * (1.0 + series)


class Gaussian(ImageKernel, Protocol):
    """A kernel ``exp(−r²/2σ²)``."""

    @property
    def sigma(self) -> Tensor:
        """The bandwidth σ."""


@dataclass(frozen=True, slots=True)
class ThetaProduct(ImageSum[Gaussian]):
    """The sum over images as a product over the axes; those without images share one exponential."""

    axes: tuple[Theta, ...]

    def evaluate(self, kernel: Gaussian, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        parts = list(zip(self.axes, displacement, periods, strict=True))
        near = [delta for theta, delta, _ in parts if theta == Theta(0)]
        factors = [theta.evaluate(kernel.sigma, delta, L) for theta, delta, L in parts if theta != Theta(0)]
        if near:
            factors.append(kernel.evaluate(tuple(near)))
        value, *rest = factors
        for factor in rest:
            value = value * factor
        return value


def shortest_theta(sigma: float, length: float, precision: float) -> Theta:
    """The sum with the fewest terms that is right to a precision, relative to the kernel or to the slowest mode."""
    scales = (1.0, math.exp(-0.5) / sigma)
    shells = 0
    while any(image_tail(sigma, (length,), shells, m) > precision * scale for m, scale in enumerate(scales)):
        shells += 1
    if shells == 0:
        return Theta(0)
    modes = 1
    while any(_mode_tail(sigma, length, modes, m) > precision * _mode_tail(sigma, length, 0, m) for m in (0, 1)):
        modes += 1
    return Theta(shells) if 2 * shells < modes else Theta(0, modes)


def _mode_tail(sigma: float, length: float, modes: int, order: int) -> float:
    return mode_tail(sigma, 2.0 * math.pi * modes / length, (length,), order)
