"""The Laplacian kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from interflow.kernels.matern_family import MaternFamily
from interflow.parameters import PositiveParameter


class LaplacianKernel(MaternFamily):
    """``k(x, y) = exp(−r/σ)``, positive definite in every dimension (Schoenberg, 1938); the Matérn kernel of ν = ½.

    Its energy repels when it is descended, with a force that does not fade at contact.

    Args:
        sigma: the length σ, in units of the positions; or one an axis, for ``r²/σ² = Σ δₐ²/σₐ²``.
        learnable: make σ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless σ is positive.

    Example:
        >>> import torch
        >>> LaplacianKernel(sigma=5.0)(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[0.3679]])
    """

    nu = 0.5

    def __init__(self, sigma: float | Sequence[float] | Tensor, *, learnable: bool = False) -> None:
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable, per_axis=True)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance.sqrt() * (-1.0 / self.sigma)).exp()
