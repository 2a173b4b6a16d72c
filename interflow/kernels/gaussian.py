"""The Gaussian kernel."""

from __future__ import annotations

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.parameters import PositiveParameter


class GaussianKernel(RadialKernel):
    """``k(x, y) = exp(−r² / 2σ²)``, positive definite in every dimension (Schoenberg, 1938).

    Its energy repels when it is descended, over distances of about σ.

    Args:
        sigma: the bandwidth σ, in units of the positions.
        learnable: make σ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless σ is a positive number.

    Example:
        >>> import torch
        >>> GaussianKernel(sigma=1.0)(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([[0.3679]])
    """

    definite = True

    def __init__(self, sigma: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance * (-0.5 / self.sigma.square())).exp()
