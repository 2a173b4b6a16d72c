"""A kernel as a Fourier series, and the sums that it gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interflow.kernels import Kernel
from interflow.sums.series.cloud import Cloud
from interflow.sums.series.modes import Modes
from interflow.sums.series.settings import coefficients
from interflow.sums.series.transform import Transform


@dataclass(frozen=True)
class Series:
    """``k(δ) = Σₖ cₖ exp(i ωₖ·δ)``, with a way to sum it.

    Attributes:
        coefficients: cₖ, real, in the shape of the modes.
        modes: the modes.
        transform: what carries out sums over modes and points.

    Example:
        >>> from interflow import GaussianKernel
        >>> from interflow.sums.series import Modes, Phases
        >>> modes = Modes(lengths=(1.0,), widths=(9,), origin=(0.0,))
        >>> series = Series.of(GaussianKernel(sigma=0.1), modes, Phases(), torch.device("cpu"))
        >>> cloud = series.cloud(torch.zeros(1, 1, 1))
        >>> series.potential(cloud, series.spectrum(cloud, torch.ones(1, 1, 1))).round(decimals=6)
        tensor([[[1.]]], dtype=torch.float64)
    """

    coefficients: Tensor
    modes: Modes
    transform: Transform

    @classmethod
    def of(cls, kernel: Kernel, modes: Modes, transform: Transform, device: torch.device) -> Series:
        """The series of a kernel, differentiable in its parameters."""
        return cls(coefficients(kernel, modes, device), modes, transform)

    def cloud(self, points: Tensor) -> Cloud:
        """Points, ``(batch, d, N)``, ready to be transformed."""
        return Cloud.of(points, self.modes, self.transform)

    def spectrum(self, cloud: Cloud, weights: Tensor) -> Tensor:
        """``cₖ ŵₖ`` of a measure with weights ``(batch, n, N)``; complex128 ``(batch, n, *modes)``."""
        return self.coefficients * cloud.analysis(weights)

    def potential(self, cloud: Cloud, spectrum: Tensor) -> Tensor:
        """``Σₖ cₖ ŵₖ exp(i ωₖ·x)`` at the points of a cloud, float64 ``(batch, n, N)``."""
        return cloud.synthesis(spectrum)

    def gradient(self, cloud: Cloud, spectrum: Tensor) -> Tensor:
        """Its gradient, float64 ``(batch, n·d, N)``."""
        return cloud.synthesis(self.modes.derivatives(spectrum))

    def potential_and_gradient(self, cloud: Cloud, spectrum: Tensor) -> Tensor:
        """Both for one measure, from one synthesis: float64 ``(batch, 1 + d, N)``."""
        return cloud.synthesis(torch.cat([spectrum, self.modes.derivatives(spectrum)], dim=1))
