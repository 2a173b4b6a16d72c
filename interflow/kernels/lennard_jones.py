"""The Lennard-Jones kernel."""

from __future__ import annotations

from torch import Tensor

from interflow.kernels.base import RadialKernel
from interflow.parameters import PositiveParameter


class LennardJonesKernel(RadialKernel):
    """``k(x, y) = 4ε((σ/r)¹² − (σ/r)⁶)`` (Lennard-Jones, 1924), shifted so as to be 0 at the cutoff and beyond.

    When its energy is descended, particles nearer than ``2^(1/6) σ`` repel and others attract. It is singular at r = 0.

    Args:
        epsilon: depth ε of the well, an energy.
        sigma: the distance σ at which the unshifted kernel is 0, in units of the positions.
        cutoff: distance from which the kernel is 0, in units of the positions; 2.5 σ is usual. None for no cutoff.
        learnable: make ε and σ ``nn.Parameter``s. The cutoff stays fixed.

    Raises:
        ArgumentError: unless all are positive numbers.

    Example:
        >>> import torch
        >>> LennardJonesKernel(epsilon=1.0, sigma=1.0)(torch.zeros(1, 1), torch.full((1, 1), 2.0 ** (1 / 6)))
        tensor([[-1.]])
    """

    def __init__(self, epsilon: float, sigma: float, cutoff: float | None = None, *, learnable: bool = False) -> None:
        super().__init__()
        self.epsilon = PositiveParameter(epsilon, learnable=learnable)
        self.sigma = PositiveParameter(sigma, learnable=learnable)
        if cutoff is not None:
            self.cutoff = PositiveParameter(cutoff)

    def profile(self, squared_distance: Tensor) -> Tensor:
        value = self._unshifted(squared_distance)
        return value if self.cutoff is None else value - self._unshifted(self.cutoff.square())

    def _unshifted(self, squared_distance: Tensor) -> Tensor:
        ratio = self.sigma.square() / squared_distance
        sixth = ratio * ratio * ratio
        return (4.0 * self.epsilon) * (sixth * (sixth - 1.0))
