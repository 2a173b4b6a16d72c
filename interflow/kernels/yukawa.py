"""The Yukawa kernel."""

from __future__ import annotations

import math

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.kernels.images import LatticeSum, lattice_sum, shell_sum, value
from interflow.parameters import PositiveParameter


class YukawaKernel(RadialKernel):
    """``k(x, y) = e^(−r/λ)/r``, the Coulomb kernel of three dimensions, screened (Yukawa, 1935). It is singular at 0.

    Its energy repels when it is descended, over distances of about λ: charges in a plasma or in salt water, with the
    Debye length λ.

    Args:
        length: the screening length λ, in units of the positions.
        learnable: make λ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless λ is a positive number.

    Example:
        >>> import torch
        >>> YukawaKernel(length=2.0)(torch.zeros(1, 1), torch.full((1, 1), 2.0))
        tensor([[0.1839]])
    """

    def __init__(self, length: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.length = PositiveParameter(length, learnable=learnable)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance.sqrt() * (-1.0 / self.length)).exp() * squared_distance.rsqrt()

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        """With ``1/r`` at the nearest of the images that are left out in the place of those of all."""
        length, nearest = value(self.length), (shells + 0.5) * min(lengths)
        if math.isinf(nearest):
            return 0.0
        rate, near = 1.0 / length, 1.0 / nearest  # |∇ᵐk| is Σⱼ m!/j! rateʲ near^(m−j) · k at most
        slope = sum(math.perm(order, order - j) * rate**j * near ** (order - j) for j in range(order + 1))
        return slope * near * shell_sum(lambda r: math.exp(-r * rate), lengths, shells)

    def images(self, lengths: tuple[float, ...], precision: float) -> LatticeSum:
        length = value(self.length)  # k(λ) and |k'(λ)| are the scales: the kernel has no largest value
        return lattice_sum(self, lengths, precision, scales=(1.0 / (math.e * length), 2.0 / (math.e * length**2)))
