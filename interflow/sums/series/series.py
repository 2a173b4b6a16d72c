"""A kernel as a Fourier series, and the sums that it gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interflow.sums.series.cloud import Cloud
from interflow.sums.series.modes import Modes
from interflow.sums.series.settings import Limit
from interflow.sums.series.transform import Accuracy, Transform


@dataclass(frozen=True)
class Series:
    """``k(δ) = Σₖ cₖ exp(i ωₖ·δ)``, with a way to sum it.

    Attributes:
        coefficients: cₖ, real, in the shape of the modes.
        modes: the modes.
        transform: what carries out sums over modes and points.
        errors: what a synthesis may add at a point, relative to ``Σ|wⱼ|``, by order: of a potential, of its gradient.
        limit: to which order its sums may be differentiated by points; None where nothing is.

    Example:
        >>> from interflow import GaussianKernel
        >>> from interflow.sums.series import Modes, Phases
        >>> from interflow.sums.series.settings import coefficients
        >>> modes = Modes(lengths=(1.0,), widths=(9,), origin=(0.0,))
        >>> expansion = coefficients(GaussianKernel(sigma=0.1), modes, torch.device("cpu"))
        >>> series = Series(expansion, modes, Phases(), errors=())
        >>> cloud = series.cloud(torch.zeros(1, 1, 1))
        >>> series.potential(cloud, series.spectrum(cloud, torch.ones(1, 1, 1))).round(decimals=6)
        tensor([[[1.]]], dtype=torch.float64)
    """

    coefficients: Tensor
    modes: Modes
    transform: Transform
    errors: tuple[float, ...]
    limit: Limit | None = None

    def cloud(self, points: Tensor) -> Cloud:
        """Points, ``(batch, d, N)``, ready to be transformed."""
        return Cloud.of(points, self.modes, self.transform, self.limit)

    def spectrum(self, cloud: Cloud, weights: Tensor) -> Tensor:
        """``cₖ ŵₖ`` of a measure with weights ``(batch, n, N)``; complex128 ``(batch, n, *modes)``."""
        return self.coefficients * cloud.analysis(weights)

    def potential(self, cloud: Cloud, spectrum: Tensor, mass: Tensor | None = None) -> Tensor:
        """``Σₖ cₖ ŵₖ exp(i ωₖ·x)`` at the points of a cloud, float64 ``(batch, n, N)``.

        Args:
            cloud: the points.
            spectrum: ``cₖ ŵₖ``.
            mass: ``Σ|wⱼ|``, ``(batch,)``, to which errors are relative; None for sums that are as right as an analysis.
        """
        return cloud.synthesis(spectrum, self._enough(spectrum, mass, (0,)), real=True)

    def gradient(self, cloud: Cloud, spectrum: Tensor, mass: Tensor | None = None) -> Tensor:
        """Its gradient, float64 ``(batch, n·d, N)``."""
        slopes, accuracy = self.modes.derivatives(spectrum), self._enough(spectrum, mass, (1,))
        return cloud.differentiated().synthesis(slopes, accuracy, real=True)

    def potential_and_gradient(self, cloud: Cloud, spectrum: Tensor, mass: Tensor | None = None) -> Tensor:
        """Both for one measure, from one synthesis: float64 ``(batch, 1 + d, N)``."""
        both = torch.cat([spectrum, self.modes.derivatives(spectrum)], dim=1)
        return cloud.differentiated().synthesis(both, self._enough(spectrum, mass, (0, 1)), real=True)

    @torch.no_grad()
    def _enough(self, spectrum: Tensor, mass: Tensor | None, orders: tuple[int, ...]) -> Accuracy | None:
        """How right the exponentials must be for what this spectrum is."""
        if mass is None or max(orders) >= len(self.errors) or spectrum.numel() == 0:
            return None
        width = self.modes.widths[0]
        sizes = spectrum.narrow(2, width, width + 1).abs().amax(1) / mass.view(-1, *[1] * self.modes.dimension)
        largest = sizes.nan_to_num(nan=0.0).amax(0)  # without mass there is no spectrum
        largest[0] *= 0.5
        found = [
            Accuracy.of(0.5 * self.errors[order], self.modes.weighted(largest, order), folded=True) for order in orders
        ]
        least = Accuracy(min(one.precision for one in found), max(one.edge for one in found))
        return least.less(self.modes.rounding)
