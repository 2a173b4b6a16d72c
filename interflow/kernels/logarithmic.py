"""The logarithmic kernel."""

from __future__ import annotations

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.kernels.base import RadialKernel
from interflow.kernels.powers import softened, softening_parameter


class LogarithmicKernel(RadialKernel):
    """``k(x, y) = −½ log(r² + s²)``; for s = 0 it is ``−log r``, the Coulomb kernel of the plane.

    With s > 0 it is conditionally positive definite in every dimension (Micchelli, 1986); with s = 0 it is singular.
    Its energy repels when it is descended. A change of units adds a constant to it.

    Args:
        softening: the length s, in units of the positions; 0 for none.
        learnable: make s an ``nn.Parameter``.

    Raises:
        ArgumentError: unless s is positive or 0, and positive where it is learnable.

    Example:
        >>> import torch
        >>> LogarithmicKernel()(torch.zeros(1, 1), torch.full((1, 1), 2.0))
        tensor([[-0.6931]])
    """

    def __init__(self, softening: float = 0.0, *, learnable: bool = False) -> None:
        super().__init__()
        self.softening = softening_parameter(softening, learnable)
        self.definite = True if isinstance(self.softening, Tensor) else None
        if learnable and not self.definite:
            raise ArgumentError("softening", came=softening, wanted="a positive number where it is learnable")

    def profile(self, squared_distance: Tensor) -> Tensor:
        return -0.5 * softened(squared_distance, self.softening).log()
