"""The distance kernel, of the energy distance."""

from __future__ import annotations

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import fixed_exponent, power


class DistanceKernel(RadialKernel):
    """``k(x, y) = −rᵖ`` with 0 < p < 2, conditionally positive definite in every dimension (Schoenberg, 1938).

    Its MMD is the energy distance (Székely and Rizzo, 2004). Its energy repels when it is descended; for p = 1 with a
    force that is the same at all distances.

    Args:
        exponent: the exponent p. It is fixed: the kernel is definite in its range only.

    Raises:
        ArgumentError: unless 0 < p < 2.

    Example:
        >>> import torch
        >>> DistanceKernel()(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[-5.]])
    """

    definite = True

    def __init__(self, exponent: float = 1.0) -> None:
        super().__init__()
        self.exponent = fixed_exponent(exponent, "a number between 0 and 2", lambda p: 0 < p < 2)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return -power(squared_distance, 0.5 * self.exponent)
