"""The inverse multiquadric kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from interflow.kernels.length_scale import LengthScaleKernel
from interflow.parameters import PositiveParameter


class InverseMultiquadricKernel(LengthScaleKernel):
    """``k(x, y) = (1 + r²/σ²)^(−1/2)`` (Hardy, 1971), positive definite in every dimension (Micchelli, 1986).

    Its energy repels when it is descended; far away it falls off like ``σ/r``.

    Args:
        sigma: the length σ, in units of the positions; or one an axis, for ``r²/σ² = Σ δₐ²/σₐ²``.
        learnable: make σ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless σ is positive.

    Example:
        >>> import torch
        >>> InverseMultiquadricKernel(sigma=1.0)(torch.zeros(1, 3), torch.ones(1, 3))
        tensor([[0.5000]])
    """

    definite = True
    positive_definite = True

    def __init__(self, sigma: float | Sequence[float] | Tensor, *, learnable: bool = False) -> None:
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable, per_axis=True)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (1.0 + squared_distance * (1.0 / self.sigma.square())).rsqrt()
