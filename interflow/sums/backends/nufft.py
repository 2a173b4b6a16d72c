"""Fourier series summed by nonuniform fast Fourier transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from interflow.sums.backends.base import register_backend
from interflow.sums.backends.fast import LONGEST, check_longest
from interflow.sums.backends.series import SeriesBackend, threads
from interflow.sums.pairsum import PairSum
from interflow.sums.series import NonuniformFFT, Settings, Transform, UnsuitableError
from interflow.sums.series.grids import Work, finest
from interflow.sums.series.nonuniform import EXTRAS, PACKAGES, is_installed


@register_backend
@final
@dataclass(frozen=True)
class Nufft(SeriesBackend):
    """Sums of smooth kernels as Fourier series, by FINUFFT on the CPU and cuFINUFFT on CUDA, with a bounded error.

    For kernels with a known transform, on a torus or, padded, in open space, in d ≤ 3. The work is
    O((N + M) log(1/ε)ᵈ + modes·log(modes)) in float64, the memory O(N + M + modes). It needs the extra ``fast``, on
    CUDA ``fast-cuda``. On the CPU results repeat to the bit for a number of threads, on CUDA they do not.

    Args:
        longest: predicted seconds past which a sum is refused.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Nufft(), tolerance=1e-5).round(decimals=4)
        tensor([1., 1.])
    """

    longest: float = LONGEST
    name = "nufft"

    def __post_init__(self) -> None:
        check_longest(self.longest)

    def is_deterministic(self, pairs: PairSum) -> bool:
        return pairs.device == "cpu"

    def unavailable_reason(self, device: str) -> str | None:
        package = PACKAGES.get(device)
        if package is None:
            return f"it runs on the CPU and on CUDA, not on {device}"
        if not is_installed(package):
            return f"the package {package} is not installed: pip install 'interflow-particles[{EXTRAS[device]}]'"
        return None

    def transform(self, settings: Settings) -> Transform:
        if settings.modes.dimension > 3:
            raise UnsuitableError(f"it transforms in 1, 2 and 3 dimensions, not in {settings.modes.dimension}")
        accuracy = settings.accuracy.less(settings.modes.rounding)
        if Work(0, settings.modes).grid(accuracy) is None:
            raise UnsuitableError(
                f"the tolerance needs exponentials right to {settings.accuracy.precision:.1e}, which float64 does not "
                f"hold for {settings.modes.count} modes"
            )
        return NonuniformFFT(accuracy)

    def seconds(self, pairs: PairSum, settings: Settings, count: int) -> float:
        on_cpu = pairs.device == "cpu"
        synthesis = [pairs.row_count] * math.ceil(count / 2)  # two real sums go through one complex transform
        total = 0.0
        for points in (pairs.column_count, *synthesis):
            work = Work(math.ceil(points / threads()) if on_cpu else points, settings.modes)
            total += (work.seconds(finest(work, settings.accuracy)) + _COPIES * points) / (1.0 if on_cpu else 600.0)
        return 2.5e-3 + total


_COPIES = 4e-8
"""Seconds a point that its numbers take on their way to a transform and back."""
