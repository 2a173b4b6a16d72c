"""Measures on the modes of a series, and their distance there: ``Σₖ cₖ |x̂ₖ − ŷₖ|²``.

With ``x̂ₖ = Σ aᵢ exp(−i ωₖ·xᵢ)`` the form ``Σ aᵢ bⱼ k(xᵢ, yⱼ)`` is ``Σₖ cₖ x̂ₖ ŷₖ*``. The squared distance of two
measures is then never negative where no cₖ is, nothing cancels in it, and any mixture of kernels costs what one does.

Its error is held against its self terms, which are at least ``S₀ = c₀ (A² + B²)`` with ``A = Σ aᵢ`` and ``B = Σ bⱼ``.
Modes that are left out, and images that are too many, change it by at most ``(A + B)² ≤ 2 (A² + B²)`` times their sum.
An error η of the exponentials changes it by at most ``2 √D X + X²`` with ``X = η (A + B) √Σcₖ``, D the distance; and
``2 √D X ≤ τ D + X²/τ`` for any τ, so that ``X² ≤ τ²/2 · 0.008 S₀`` keeps it under ``τ (D + 0.008 S₀)``.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from interflow.sums.pairsum import components_first, weights_row
from interflow.sums.series import Cloud, Series


@dataclass(frozen=True)
class Spectrum:
    """A measure on the modes.

    Attributes:
        cloud: where its points are.
        weights: ``(batch, 1, N)``.
        values: x̂ₖ, ``(batch, 1, *modes)``.
    """

    cloud: Cloud
    weights: Tensor
    values: Tensor

    @property
    def mass(self) -> Tensor:
        """``Σ|wⱼ|``, ``(batch,)``."""
        return self.weights.double().abs().sum((1, 2))


def spectrum(series: Series, points: Tensor, weights: Tensor | None) -> Spectrum:
    """x̂ₖ of a measure with points ``(N, d)`` or ``(B, N, d)`` and weights alike; 1/N each by default."""
    cloud = series.cloud(components_first(points))
    masses = weights_row(weights, points)
    return Spectrum(cloud, masses, cloud.analysis(masses))


def product(series: Series, x: Tensor, y: Tensor) -> Tensor:
    """``Σₖ cₖ Re(x̂ₖ ŷₖ*)`` of two spectra, ``(batch,)``."""
    return (series.coefficients * (x.real * y.real + x.imag * y.imag)).flatten(1).sum(1)
