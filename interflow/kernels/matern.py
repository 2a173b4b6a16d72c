"""The Matérn kernels of half-integer smoothness."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.kernels.matern_family import MaternFamily
from interflow.parameters import PositiveParameter


class MaternKernel(MaternFamily):
    """``k(x, y) = 2^(1−ν)/Γ(ν) · t^ν K_ν(t)`` with ``t = √(2ν) r/σ``, positive definite in every d (Matérn, 1960).

    K_ν is the modified Bessel function. The formula is ``e⁻ᵗ`` for ν = ½, ``(1 + t) e⁻ᵗ`` for ν = 3⁄2 and
    ``(1 + t + t²/3) e⁻ᵗ`` for ν = 5⁄2. Its energy repels when it is descended.

    Args:
        sigma: the length σ, in units of the positions; or one an axis, for ``r²/σ² = Σ δₐ²/σₐ²``.
        nu: the smoothness ν: ½, 3⁄2 or 5⁄2. It is fixed.
        learnable: make σ an ``nn.Parameter``.

    Raises:
        ArgumentError: unless σ is positive and ν one of the three.

    Example:
        >>> import torch
        >>> MaternKernel(sigma=1.0, nu=1.5)(torch.zeros(1, 1), torch.ones(1, 1))
        tensor([[0.4834]])
    """

    def __init__(self, sigma: float | Sequence[float] | Tensor, nu: float, *, learnable: bool = False) -> None:
        super().__init__()
        if nu not in (0.5, 1.5, 2.5):
            raise ArgumentError("nu", came=repr(nu), wanted="0.5, 1.5 or 2.5", remedy="ν = ∞ is GaussianKernel.")
        self.sigma = PositiveParameter(sigma, learnable=learnable, per_axis=True)
        self.nu = float(nu)

    def profile(self, squared_distance: Tensor) -> Tensor:
        t = squared_distance.sqrt() * (math.sqrt(2.0 * self.nu) / self.sigma)
        decay = (-t).exp()
        if self.nu == 0.5:
            return decay
        if self.nu == 1.5:
            return (1.0 + t) * decay
        return (1.0 + t * (1.0 + t * (1.0 / 3.0))) * decay
