"""The Gaussian kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from interflow.kernels import theta
from interflow.kernels.images import value
from interflow.kernels.length_scale import LengthScaleKernel
from interflow.parameters import PositiveParameter


class GaussianKernel(LengthScaleKernel):
    """``k(x, y) = exp(−r² / 2σ²)``, positive definite in every dimension (Schoenberg, 1938).

    Its transform is ``(2πσ²)^(d/2) exp(−σ²ω²/2)``. Its energy repels when it is descended, over distances of about σ.

    Args:
        sigma: the bandwidth σ, in units of the positions; or one an axis, for ``r²/σ² = Σ δₐ²/σₐ²``.
        learnable: make σ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless σ is positive.

    Example:
        >>> import torch
        >>> GaussianKernel(sigma=1.0)(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([[0.3679]])
    """

    definite = True
    positive_definite = True

    def __init__(self, sigma: float | Sequence[float] | Tensor, *, learnable: bool = False) -> None:
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable, per_axis=True)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance * (-0.5 / self.sigma.square())).exp()

    def isotropic_coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor:
        variance = self.sigma.square()
        scale = (math.sqrt(2.0 * math.pi) * self.sigma / lengths).prod()
        return scale * (-0.5 * variance * squared_frequencies).exp()

    def isotropic_tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        return theta.mode_tail(self._width(), frequency, lengths, order)

    def isotropic_image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        return theta.image_tail(self._width(), lengths, shells, order)

    def isotropic_supremum(self, order: int, dimension: int) -> float:
        return 1.0 if order == 0 else math.exp(-0.5) / self._width()

    def isotropic_images(self, lengths: tuple[float, ...], precision: float) -> theta.ThetaProduct:
        return theta.ThetaProduct(tuple(theta.shortest_theta(self._width(), length, precision) for length in lengths))

    def _width(self) -> float:
        return value(self.sigma)
