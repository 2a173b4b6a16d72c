"""Fourier series summed as matrix products, in plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from interflow.errors import ArgumentError
from interflow.sums.backends.base import register_backend
from interflow.sums.backends.fast import LONGEST, check_longest
from interflow.sums.backends.series import SeriesBackend, threads
from interflow.sums.pairsum import PairSum
from interflow.sums.series import Phases, Settings, Transform, UnsuitableError


@register_backend
@final
@dataclass(frozen=True)
class Fourier(SeriesBackend):
    """Sums of smooth kernels as Fourier series, by products of phases along each axis, with a bounded error.

    For kernels with a known transform, on a torus or, padded, in open space. The work is O((N + M)·modes) in float64 on
    any device that has it, the memory O(N + M + tile + modes). Results repeat to the bit.

    Args:
        tile: numbers in the working set, which should fit the cache.
        longest: predicted seconds past which a sum is refused.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Fourier(), tolerance=1e-5).round(decimals=4)
        tensor([1., 1.])
    """

    tile: int = 2**18
    longest: float = LONGEST
    name = "fourier"

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ArgumentError("tile", came=self.tile, wanted="a positive whole number")
        check_longest(self.longest)

    def unavailable_reason(self, device: str) -> str | None:
        return f"it computes in float64, which {device} has not" if device == "mps" else None

    def transform(self, settings: Settings) -> Transform:
        precision, rounding = settings.accuracy.precision, settings.modes.rounding
        if rounding > precision:
            raise UnsuitableError(
                f"the tolerance needs exponentials right to {precision:.1e}, and float64 holds them to {rounding:.1e}"
            )
        return Phases(self.tile)

    def seconds(self, pairs: PairSum, settings: Settings, count: int) -> float:
        modes = settings.modes
        rate = threads() if pairs.device == "cpu" else 1000
        first, rest = modes.shape[0], modes.count // modes.shape[0]
        phases = 4e-8 * modes.dimension + 1.2e-9 * (sum(modes.shape) + 2 * rest)
        analysis = pairs.column_count * (phases + 2e-9 * first + 1.2e-10 * modes.count)
        synthesis = pairs.row_count * (phases + count * (2e-9 * first + 1.2e-10 * modes.count))
        return 1.6e-3 + 1e-7 * modes.count + (analysis + synthesis) / rate
