"""Sums of kernels with a known transform as Fourier series: ``k(δ) = Σₖ cₖ exp(i ωₖ·δ)`` on a torus.

Then ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ) = Σₖ cₖ ŵₖ exp(i ωₖ·xᵢ)`` with ``ŵₖ = Σⱼ wⱼ exp(−i ωₖ·yⱼ)``: an analysis at the points y, a
product, a synthesis at the points x.
"""

from interflow.sums.series.cloud import Cloud
from interflow.sums.series.demands import Demand, UnsuitableError
from interflow.sums.series.modes import Modes
from interflow.sums.series.nonuniform import NonuniformFFT
from interflow.sums.series.phases import Phases
from interflow.sums.series.series import Series
from interflow.sums.series.settings import MOST_MODES, Limit, Settings, settle
from interflow.sums.series.torus import Torus, torus_of
from interflow.sums.series.transform import Accuracy, Samples, Transform

__all__ = [
    "MOST_MODES",
    "Accuracy",
    "Cloud",
    "Demand",
    "Limit",
    "Modes",
    "NonuniformFFT",
    "Phases",
    "Samples",
    "Series",
    "Settings",
    "Torus",
    "Transform",
    "UnsuitableError",
    "settle",
    "torus_of",
]
