"""The modes of a Fourier series on a torus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Modes:
    """The modes ``ωₖ = 2πk/L`` with integers ``|kₐ| ≤ Kₐ`` of a torus of periods L.

    Coefficients are arrays whose last axes have the shape of the modes, with kₐ = −Kₐ, …, Kₐ along each.

    Attributes:
        lengths: the periods L.
        widths: the largest integers K.
        origin: a point near the clouds from which positions are measured, so that phases keep their digits.

    Example:
        >>> Modes(lengths=(1.0, 2.0), widths=(3, 5), origin=(0.0, 0.0)).shape
        (7, 11)
    """

    lengths: tuple[float, ...]
    widths: tuple[int, ...]
    origin: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int, ...]:
        """Modes along each axis."""
        return tuple(2 * width + 1 for width in self.widths)

    @property
    def count(self) -> int:
        """Modes in all."""
        return math.prod(self.shape)

    @property
    def rounding(self) -> float:
        """The error of an exponential in float64 by rounding, of points within a few periods of the origin."""
        return 1e-15 * (1 + sum(self.widths))

    def frequencies(self, device: torch.device) -> list[Tensor]:
        """The components of ωₖ, each along its own axis and of length 1 along the others, in float64."""
        return [
            (2.0 * math.pi / length * torch.arange(-width, width + 1, dtype=torch.float64, device=device)).view(
                [-1 if axis == other else 1 for other in range(self.dimension)]
            )
            for axis, (length, width) in enumerate(zip(self.lengths, self.widths, strict=True))
        ]

    def weighted(self, sizes: Tensor, order: int) -> Tensor:
        """``|ωₖ|ᵐ`` times sizes in the shape of the modes, or of those with ``k₁ ≥ 0``, for the order m."""
        if order == 0:
            return sizes
        first, *rest = self.frequencies(sizes.device)
        squared = sum((component.square() for component in rest), first[-len(sizes) :].square())
        return squared.pow_(0.5 * order).mul_(sizes)

    def angles(self, points: Tensor) -> Tensor:
        """``2π (x − origin)/L`` in float64, for points ``(batch, d, N)``."""
        origin = torch.tensor(self.origin, dtype=torch.float64, device=points.device)[:, None]
        lengths = torch.tensor(self.lengths, dtype=torch.float64, device=points.device)[:, None]
        return (points.detach() - origin).mul_(2.0 * math.pi / lengths)

    def derivatives(self, coefficients: Tensor) -> Tensor:
        """``i ωₖ gₖ``, the coefficients of the gradient: from ``(batch, n, …)`` to ``(batch, n·d, …)``."""
        components = [coefficients * (1j * component) for component in self.frequencies(coefficients.device)]
        return torch.stack(components, dim=2).flatten(1, 2)
