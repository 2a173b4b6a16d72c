"""The inverse power kernel."""

from __future__ import annotations

import math

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import fixed_exponent, power, softened, softening_parameter
from interflow.parameters import PositiveParameter


class InversePowerKernel(RadialKernel):
    """``k(x, y) = (r² + s²)^(−p/2)``, the kernel of Riesz (1938), softened as in Plummer (1911).

    With s > 0 it is positive definite in every dimension (Micchelli, 1986); with s = 0 it is ``r^(−p)``, singular.
    Its energy repels when it is descended; p = d − 2 is the Coulomb kernel of d ≥ 3 dimensions.

    Args:
        exponent: the exponent p > 0. Fixed, it is part of the formula, which is fast for multiples of ½.
        softening: the length s, in units of the positions; 0 for none.
        learnable: make p, and s unless it is 0, ``nn.Parameter``s.

    Raises:
        ArgumentError: unless p is positive and s positive or 0.

    Example:
        >>> import torch
        >>> InversePowerKernel(exponent=3)(torch.zeros(1, 1), torch.full((1, 1), 2.0))
        tensor([[0.1250]])
    """

    def __init__(self, exponent: float, softening: float = 0.0, *, learnable: bool = False) -> None:
        super().__init__()
        self.exponent: float | Tensor = (
            PositiveParameter(exponent, learnable=True)
            if learnable
            else fixed_exponent(exponent, "a positive number", lambda p: 0 < p < math.inf)
        )
        self.softening = softening_parameter(softening, learnable)
        self.definite = True if isinstance(self.softening, Tensor) else None
        self.positive_definite = self.definite is True

    def profile(self, squared_distance: Tensor) -> Tensor:
        return power(softened(squared_distance, self.softening), -0.5 * self.exponent)
