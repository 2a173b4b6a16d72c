"""Fourier series summed by nonuniform fast Fourier transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from interflow.sums.backends.base import Question
from interflow.sums.backends.series import SeriesBackend, threads
from interflow.sums.series import NonuniformFFT, Settings, Transform, UnsuitableError
from interflow.sums.series.nonuniform import PACKAGES, is_installed

_SAFETY: Final = 4.0
"""Times its own tolerance by which FINUFFT may miss an exponential; up to 3 was seen over d, modes and tolerances."""

_FINEST: Final = 1e-14
"""The least tolerance that FINUFFT takes."""


@final
@dataclass(frozen=True)
class Nufft(SeriesBackend):
    """Sums of smooth kernels as Fourier series, by FINUFFT on the CPU and cuFINUFFT on CUDA, with a bounded error.

    For kernels with a known transform, on a torus or, padded, in open space, in d ≤ 3. The work is
    O((N + M) log(1/ε)ᵈ + modes·log(modes)) in float64, the memory O(N + M + modes). It needs the extra ``fast``. On the
    CPU results repeat to the bit for a number of threads, on CUDA they do not.
    """

    name = "nufft"

    def repeats(self, question: Question) -> bool:
        return question.device == "cpu"

    def missing(self, device: str) -> str | None:
        package = PACKAGES.get(device)
        if package is None:
            return f"it runs on the CPU and on CUDA, not on {device}"
        if not is_installed(package):
            return f"the package {package} is not installed: pip install 'interflow-particles[fast]'"
        return None

    def transform(self, settings: Settings) -> Transform:
        if settings.modes.dimension > 3:
            raise UnsuitableError(f"it transforms in 1, 2 and 3 dimensions, not in {settings.modes.dimension}")
        precision = (settings.precision - settings.rounding) / _SAFETY
        if precision < _FINEST:
            raise UnsuitableError(
                f"the tolerance needs exponentials right to {settings.precision:.1e}, which float64 does not hold for "
                f"{settings.modes.count} modes"
            )
        return NonuniformFFT(min(precision, 0.1))

    def seconds(self, question: Question, settings: Settings, count: int) -> float:
        modes = settings.modes
        width = 1.0 + math.log10(_SAFETY / settings.precision)
        a_point = 2e-8 + 2.5e-9 * width + 5.5e-10 * width**modes.dimension
        fine = 2.0**modes.dimension * modes.count
        transforms = 1 + (count + 1) // 2
        points = question.columns + (transforms - 1) * question.rows
        return 9e-4 + (points * a_point + transforms * fine * 3e-8) / (threads() if question.device == "cpu" else 300)
