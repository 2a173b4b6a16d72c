"""The Morse kernel."""

from __future__ import annotations

import math

from torch import Tensor

from interflow.kernels.base import RadialKernel, sampled_supremum
from interflow.kernels.images import shell_sum, value
from interflow.parameters import PositiveParameter


class MorseKernel(RadialKernel):
    """``k(x, y) = C_r e^(−r/l_r) − C_a e^(−r/l_a)`` (D'Orsogna, Chuang, Bertozzi and Chayes, 2006).

    When its energy is descended, the first term repels and the second attracts: with ``l_r < l_a`` and
    ``C_r/l_r > C_a/l_a`` particles repel nearby and attract far away, and swarm. Whether it is positive definite
    depends on the parameters and the dimension.

    Args:
        attraction: the strength C_a, an energy.
        attraction_length: the length l_a, in units of the positions.
        repulsion: the strength C_r, an energy.
        repulsion_length: the length l_r, in units of the positions.
        learnable: make all four ``nn.Parameter``s.

    Raises:
        ArgumentError: unless all four are positive numbers.

    Example:
        >>> import torch
        >>> MorseKernel(1.0, 2.0, 3.0, 0.5)(torch.zeros(1, 1), torch.ones(1, 1))
        tensor([[-0.2005]])
    """

    def __init__(
        self,
        attraction: float,
        attraction_length: float,
        repulsion: float,
        repulsion_length: float,
        *,
        learnable: bool = False,
    ) -> None:
        super().__init__()
        self.attraction = PositiveParameter(attraction, learnable=learnable)
        self.attraction_length = PositiveParameter(attraction_length, learnable=learnable)
        self.repulsion = PositiveParameter(repulsion, learnable=learnable)
        self.repulsion_length = PositiveParameter(repulsion_length, learnable=learnable)

    def profile(self, squared_distance: Tensor) -> Tensor:
        r = squared_distance.sqrt()
        repulsion = self.repulsion * (r * (-1.0 / self.repulsion_length)).exp()
        return repulsion - self.attraction * (r * (-1.0 / self.attraction_length)).exp()

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        terms = [(self.repulsion, self.repulsion_length), (self.attraction, self.attraction_length)]
        return sum(_image_tail(value(strength), value(length), lengths, shells, order) for strength, length in terms)

    def supremum(self, order: int, dimension: int) -> float:
        return sampled_supremum(self, order, dimension)


def _image_tail(strength: float, decay: float, lengths: tuple[float, ...], shells: int, order: int) -> float:
    """Of the term ``C e^(−r/l)``."""
    return strength / decay**order * shell_sum(lambda r: math.exp(-r / decay), lengths, shells)
