"""What one particle does to another: any law of a pair, with features of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import Parametrised, finite

Law = Callable[[Tensor, Any, Any], Tensor]
"""``law(displacement, i, j)``: what particle j does to particle i, a number or a vector."""


class Interaction(Parametrised, ABC):
    """What one particle does to another, written for one pair in plain tensor code. A subclass writes `pair`.

    The displacement is the vector ``(d,)`` from j to i that the domain prescribes. ``i`` and ``j`` offer ``position``
    and the features that the sum is given, by name: numbers, or vectors ``(k,)``. A feature that is a whole number (a
    species) may index a tensor of parameters: ``self.table[i.species, j.species]``. The result is a number or a vector.

    Attributes:
        cutoff: distance from which the law is 0, applied by the engine; None for no cutoff. A subclass that has one
            assigns a `PositiveParameter` to it.

    Example:
        >>> from interflow import PositiveParameter, pair_sum
        >>> class Screened(Interaction):
        ...     def __init__(self, length):
        ...         super().__init__()
        ...         self.length = PositiveParameter(length)
        ...
        ...     def pair(self, displacement, i, j):
        ...         r = displacement.norm()
        ...         return i.charge * j.charge * (-r / self.length).exp() * displacement / r**2
        >>> x, charge = torch.tensor([[0.0], [1.0]]), torch.tensor([1.0, -1.0])
        >>> pair_sum(Screened(1.0), x, x_features={"charge": charge})
        tensor([[ 0.3679],
                [-0.3679]])
    """

    cutoff: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self._buffers["cutoff"] = None  # not on the class, where it would hide a parameter of this name

    @abstractmethod
    def pair(self, displacement: Tensor, i: Any, j: Any) -> Tensor:
        """What particle j does to particle i.

        Args:
            displacement: the vector from j to i, ``(d,)``.
            i: the particle that is acted on, with its features as attributes.
            j: the particle that acts.

        Returns:
            ``()`` or ``(k,)``.
        """

    def describe(self) -> str:
        """The name by which messages speak of the law."""
        return type(self).__name__

    def evaluate(self, displacement: Tensor, i: Any, j: Any) -> Tensor:
        """`pair` with the cutoff applied; what the engine sums."""
        value = self.pair(displacement, i, j)
        if self.cutoff is None or not isinstance(value, Tensor):
            return value
        return torch.where(displacement.square().sum() < self.cutoff.square(), value, 0.0)


@final
class FunctionInteraction(Interaction):
    """A law given as a function ``law(displacement, i, j)``, with a cutoff.

    Args:
        law: the function.
        cutoff: distance from which it counts as 0; None for no cutoff.
    """

    def __init__(self, law: Law, cutoff: float | None = None) -> None:
        super().__init__()
        self.law = law
        if cutoff is not None:
            value = finite("cutoff", cutoff)
            if not float(value) > 0.0:
                raise ArgumentError("cutoff", came=cutoff, wanted="a positive number, or None")
            self._buffers["cutoff"] = value

    def pair(self, displacement: Tensor, i: Any, j: Any) -> Tensor:
        return self.law(displacement, i, j)

    def describe(self) -> str:
        return getattr(self.law, "__qualname__", type(self.law).__name__)
