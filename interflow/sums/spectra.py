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

from interflow.errors import BackendError
from interflow.kernels import Kernel
from interflow.sums.backends import Options, SeriesBackend, backend_of
from interflow.sums.preparation import approximation_of, one_component, prepare
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
    components = points.mT if points.ndim == 3 else points.mT[None]
    if weights is None:
        weights = points.new_full(points.shape[:-1], 1.0 / points.shape[-2])
    cloud = series.cloud(components)
    masses = one_component(weights)
    return Spectrum(cloud, masses, cloud.analysis(masses))


def product(series: Series, x: Tensor, y: Tensor) -> Tensor:
    """``Σₖ cₖ Re(x̂ₖ ŷₖ*)`` of two spectra, ``(batch,)``."""
    return (series.coefficients * (x.real * y.real + x.imag * y.imag)).flatten(1).sum(1)


def comparison(kernel: Kernel, x: Tensor, y: Tensor, options: Options, *, of_velocity: bool = False) -> Series | None:
    """The series on which measures at x and at y are compared within a tolerance of their distance; None for pair sums.

    A distance may be differentiated once, its velocity as well if that is what is wanted.

    Raises:
        BackendError: if a series was asked for that cannot do it, with the reason.
    """
    if options.tolerance is None:
        return None
    data = prepare(kernel, x, y, None, options)
    highest = None if of_velocity else 1
    chosen = approximation_of(data, order=1, highest=highest)
    if not isinstance(chosen, SeriesBackend):
        return None
    try:
        return chosen.series(data.question(order=1, highest=highest), of_distance=True)
    except BackendError:
        if backend_of(data.backend) is chosen:
            raise
        return None
