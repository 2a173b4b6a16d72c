"""The soft sphere kernel."""

from __future__ import annotations

import math

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import fixed_exponent, power
from interflow.parameters import PositiveParameter


class SoftSphereKernel(RadialKernel):
    """``k(x, y) = (ε/α)(1 − r/σ)^α`` for r < σ, else 0 (O'Hern, Silbert, Liu and Nagel, 2003).

    When its energy is descended, particles that overlap repel: α = 2 is a harmonic spring, α = 5⁄2 a Hertzian contact.
    It is positive definite in d dimensions where ``α ≥ (d + 1)/2`` (Askey, 1973).

    Args:
        epsilon: the strength ε, an energy.
        sigma: the diameter σ, in units of the positions; it is the cutoff too.
        exponent: the exponent α ≥ 1. It is fixed.
        learnable: make ε and σ ``nn.Parameter``s.

    Raises:
        ArgumentError: unless ε and σ are positive numbers and α ≥ 1.

    Example:
        >>> import torch
        >>> SoftSphereKernel(epsilon=1.0, sigma=2.0)(torch.zeros(1, 1), torch.tensor([[1.0], [3.0]]))
        tensor([[0.1250, 0.0000]])
    """

    def __init__(self, epsilon: float, sigma: float, exponent: float = 2.0, *, learnable: bool = False) -> None:
        super().__init__()
        self.epsilon = PositiveParameter(epsilon, learnable=learnable)
        self.sigma = PositiveParameter(sigma, learnable=learnable)
        self.exponent = fixed_exponent(exponent, "a number of at least 1", lambda alpha: 1 <= alpha < math.inf)

    @property
    def cutoff(self) -> Tensor:  # type: ignore[override]  # no parameter of its own
        return self.sigma

    def profile(self, squared_distance: Tensor) -> Tensor:
        overlap = 1.0 - squared_distance.sqrt() * (1.0 / self.sigma)
        if self.exponent.is_integer():
            return (self.epsilon / self.exponent) * power(overlap, self.exponent)
        overlap = overlap.relu()
        touching = overlap.sign()  # 1 takes the place of 0 below: derivatives of 0^α are not finite
        return (self.epsilon / self.exponent) * (touching * power(overlap + (1.0 - touching), self.exponent))
