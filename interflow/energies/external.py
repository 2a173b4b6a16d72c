"""The energy of points in a given landscape."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from interflow.boundaries import Boundary
from interflow.energies.base import Energy
from interflow.errors import ArgumentError
from interflow.measures import weighted_sum


@final
class ExternalEnergy(Energy):
    """``E = Σᵢ aᵢ V(xᵢ)``, with velocity ``vᵢ = −∇V(xᵢ)``.

    Args:
        potential: V, a function or module from ``(N, d)`` to ``(N,)`` in differentiable torch operations. A point of
            the result must depend on its own point only.
        boundary: the domain on which V is meant; None to follow the other terms of a sum.

    Example:
        >>> import torch
        >>> well = ExternalEnergy(lambda x: x.square().sum(-1) / 2)
        >>> well.velocity(torch.tensor([[3.0, 4.0]]))
        tensor([[-3., -4.]])
    """

    def __init__(self, potential: Callable[[Tensor], Tensor], *, boundary: Boundary | None = None) -> None:
        if not callable(potential):
            raise ArgumentError("potential", came=type(potential).__name__, wanted="a function from (N, d) to (N,)")
        super().__init__(boundary)
        self.potential = potential

    def forward(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        self.check(positions, weights)
        values = self.potential(positions)
        if values.shape != positions.shape[:1]:
            wanted = f"({len(positions)},), a value a point"
            raise ArgumentError("potential", came=f"values of shape {tuple(values.shape)}", wanted=wanted)
        return weighted_sum(values, weights)

    def describe(self) -> str:
        name = type(self.potential).__name__ if isinstance(self.potential, nn.Module) else None
        return f"ExternalEnergy({name or getattr(self.potential, '__name__', type(self.potential).__name__)})"
