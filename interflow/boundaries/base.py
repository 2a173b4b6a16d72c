"""The domain: how two points are separated, and where a point that left it comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import Parametrised


class Boundary(Parametrised, ABC):
    """A domain of ``d`` axes. A subclass writes `displacement` and `wrap`, and `reflect` where velocities change.

    Both work on the last axis of tensors of any leading shape, ``(..., d)``, in plain tensor arithmetic: the engine
    traces `displacement` once and every backend runs the traced formula.
    """

    @abstractmethod
    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        """The vector δ(x, y) from ``y`` to ``x``; shapes ``(..., d)`` that broadcast."""

    @abstractmethod
    def wrap(self, x: Tensor) -> Tensor:
        """The representative of ``x`` inside the domain; shape ``(..., d)``."""

    def reflect(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Positions back inside the domain, and the velocities that they have there; shapes ``(..., d)``."""
        return self.wrap(x), v

    def half_period(self) -> Tensor | None:
        """Half of the shortest period, which no cutoff may pass; None where nothing is periodic."""
        return None

    def check_dimension(self, dimension: int) -> None:
        """Raise `ArgumentError` if this domain has no ``dimension`` axes. By default it has any number."""

    def squared_distances(
        self, x: Tensor, y: Tensor, method: Literal["direct", "expanded"] = "direct"
    ) -> Tensor:
        """The matrix ``|δ(xᵢ, yⱼ)|²``, shape ``(N, M)``, for those who want to look; no pair sum allocates it.

        Args:
            x: ``(N, d)``.
            y: ``(M, d)``.
            method: ``"direct"`` sums squared differences and needs ``(N, M, d)``; ``"expanded"`` is
                ``|x|² + |y|² − 2⟨x, y⟩`` about the mean of ``y``, clamped at 0, for the open domain only.
        """
        if method == "direct":
            return self.displacement(x[:, None, :], y[None, :, :]).square().sum(-1)
        if method == "expanded":
            return self._expanded_squared_distances(x, y)
        raise ArgumentError("method", came=repr(method), wanted="'direct' or 'expanded'")

    def _expanded_squared_distances(self, x: Tensor, y: Tensor) -> Tensor:
        raise ArgumentError(
            "method",
            came="'expanded'",
            wanted=f"'direct' on {type(self).__name__}",
            remedy="Expanding the square assumes straight differences, as in OpenBoundary.",
        )


def displacement_matrix(boundary: Boundary, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The components of δ(xᵢ, yⱼ), each ``(N, M)``."""
    return torch.unbind(boundary.displacement(x[:, None, :], y[None, :, :]), dim=-1)
