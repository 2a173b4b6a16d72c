"""What the Matérn kernels of half-integer smoothness share: a transform with the form of Student's t."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence

from torch import Tensor

from interflow.kernels.images import first_beyond, shell_sum, value
from interflow.kernels.length_scale import LengthScaleKernel


class MaternFamily(LengthScaleKernel, ABC):
    """``k(x, y) = 2^(1−ν)/Γ(ν) · t^ν K_ν(t)`` with ``t = κr``, ``κ = √(2ν)/σ`` and ν = ½, 3⁄2 or 5⁄2.

    The transform is ``2ᵈ π^(d/2) Γ(ν + d/2)/Γ(ν) · κ^(2ν) (κ² + ω²)^(−ν − d/2)`` (Matérn, 1960). Its sum over all modes
    converges, weighted with ``|ω|ᵐ``, for m < 2ν: the field of ν = ½ has no bound by modes.

    Attributes:
        nu: the smoothness ν.
    """

    definite = True
    positive_definite = True
    nu: float

    def isotropic_coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor:
        rate = math.sqrt(2.0 * self.nu) / self.sigma
        scale = _transform_scale(self.nu, lengths.numel()) * rate ** (2.0 * self.nu) / lengths.prod()
        return scale * (rate.square() + squared_frequencies) ** (-self.nu - 0.5 * lengths.numel())

    def isotropic_tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        if order >= 2.0 * self.nu:
            return math.inf
        dimension, rate = len(lengths), self._rate()
        spacings = [2.0 * math.pi / length for length in lengths]
        nearest = min(first_beyond(frequency, spacing) - 0.5 * spacing for spacing in spacings)
        exponent = 2.0 * self.nu + dimension - order  # |ω|ᵐ is at most (κ² + ω²)^(m/2)
        integral = _radial_sum(nearest, spacings, rate, exponent)
        sphere = 2.0 * math.pow(math.pi, 0.5 * dimension) / math.gamma(0.5 * dimension)
        scale = _transform_scale(self.nu, dimension) * math.pow(rate, 2.0 * self.nu) / (2.0 * math.pi) ** dimension
        return scale * sphere * integral

    def isotropic_image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        rate = self._rate()
        if order == 0:
            return shell_sum(lambda r: self._value(rate * r), lengths, shells)
        if order == 2:  # |φ''| and |φ'|/t are at most φ, for ν = ½ as far as t ≥ 1
            return shell_sum(lambda r: rate**2 * self._value(rate * r), lengths, shells)
        steepest = _STEEPEST[self.nu]
        return shell_sum(lambda r: rate * self._slope(max(rate * r, steepest)), lengths, shells)

    def isotropic_supremum(self, order: int, dimension: int) -> float:
        return 1.0 if order == 0 else self._rate() * self._slope(_STEEPEST[self.nu])

    def _rate(self) -> float:
        """κ."""
        return math.sqrt(2.0 * self.nu) / value(self.sigma)

    def _value(self, t: float) -> float:
        return {0.5: 1.0, 1.5: 1.0 + t}.get(self.nu, 1.0 + t + t * t / 3.0) * math.exp(-t)

    def _slope(self, t: float) -> float:
        """``|dk/dt|``."""
        return {0.5: 1.0, 1.5: t}.get(self.nu, t * (1.0 + t) / 3.0) * math.exp(-t)


_STEEPEST = {0.5: 0.0, 1.5: 1.0, 2.5: 0.5 * (1.0 + math.sqrt(5.0))}
"""Where ``|dk/dt|`` is largest, by ν."""


def _transform_scale(nu: float, dimension: int) -> float:
    gammas = math.gamma(nu + 0.5 * dimension) / math.gamma(nu)
    return 2.0**dimension * math.pow(math.pi, 0.5 * dimension) * gammas


def _radial_sum(start: float, spacings: Sequence[float], rate: float, exponent: float) -> float:
    """A bound of ``Σ (κ² + |ω|²)^(−p/2)`` over a lattice, times the volume of a cell and divided by that of the sphere.

    The sum runs over the cells outside the ball of radius R. Over the cell of ωₖ the mean of ``|ω|²`` is
    ``|ωₖ|² + Σh²/12``, and ``t^(−p/2)`` is convex: with ``κ² − Σh²/12`` in the place of κ² each term is at most the
    mean over its cell, and the sum at most the integral ``∫ r^(d−1) u^(−p) dr`` from R, where
    ``u² = κ² − Σh²/12 + r²``.
    """
    dimension, spread = len(spacings), sum(spacing**2 for spacing in spacings) / 12.0
    near = 0.0
    if start**2 + rate**2 < 2.0 * spread:  # cells so large that u vanishes in some: their terms are at most κ^(−p)
        start = math.sqrt(2.0 * spread)
        near = math.pow(start + math.hypot(*spacings), dimension) / dimension * math.pow(rate, -exponent)
    shifted = rate**2 - spread
    if start**2 < shifted:  # the integrand is flat up to there
        length = math.sqrt(shifted)
        near += (length - start) * math.pow(length, dimension - 1) * math.pow(math.hypot(length, start), -exponent)
        start = length
    u = math.sqrt(shifted + start**2)
    slack = u / start if shifted > 0.0 else math.pow(start / u, dimension - 1)  # of dr = u/r du, and of r against u
    return near + slack * math.pow(u, dimension - exponent) / (exponent - dimension)
