"""The coordinates in which a fit descends, and where its points start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary

_JITTER = 0.1


def init_from_target(count: int, target: Tensor, weights: Tensor | None, generator: torch.Generator) -> Tensor:
    """Points of the target: different ones at random, or, weighted or where more are wanted, with repetition.

    Repeated points are chosen systematically, one in each of ``count`` equal parts of the mass, and moved apart by a
    small part of the distance between neighbours, since points that coincide would stay together.
    """
    if weights is None and count <= len(target):
        order: Tensor = _permutation(len(target), generator)
        chosen: Tensor = target[order[:count].to(target.device)]
        return chosen
    repeated: Tensor = target[systematic_resampling(count, _shares(target, weights), generator)]
    extent = float((target.amax(0) - target.amin(0)).amax()) or 1.0
    spacing: float = extent * float(count) ** (-1 / target.shape[1])
    return repeated + _JITTER * spacing * _uniform(repeated.shape, generator, repeated).sub(0.5)


def init_from_box(count: int, target: Tensor, weights: Tensor | None, generator: torch.Generator) -> Tensor:
    """Uniform points in the smallest box around the target."""
    lower, upper = target.amin(0), target.amax(0)
    return lower + (upper - lower) * _uniform((count, target.shape[1]), generator, target)


INITIALISERS = {"samples": init_from_target, "box": init_from_box}


def systematic_resampling(count: int, shares: Tensor, generator: torch.Generator) -> Tensor:
    """Indices, one for each of ``count`` equal parts of a mass that is dealt out in shares of sum 1."""
    offsets = torch.rand(count, generator=generator, dtype=torch.float64, device=generator.device)
    parts = (torch.arange(count, dtype=torch.float64, device=generator.device) + offsets) / count
    cumulative = shares.double().cumsum(0)
    found = torch.searchsorted(cumulative, parts.to(shares.device) * cumulative[-1], right=True)
    return found.clamp(max=len(shares) - 1)


def _shares(target: Tensor, weights: Tensor | None) -> Tensor:
    return target.new_full((len(target),), 1.0 / len(target)) if weights is None else weights


def _permutation(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator, device=generator.device)


def _uniform(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)


@final
@dataclass(frozen=True, eq=False)
class Normalisation:
    """``x ↦ (x − c) / s`` with one scale for all axes.

    Args:
        centre: c, ``(d,)``, float64.
        scale: s > 0.

    Example:
        >>> unit = Normalisation.of(torch.tensor([[1.0], [3.0]]), None, OpenBoundary())
        >>> unit.apply(torch.tensor([[1.0], [3.0]])), unit.undo(torch.tensor([[0.0]]))
        (tensor([[-1.],
                [ 1.]]), tensor([[2.]]))
    """

    centre: Tensor
    scale: float

    @classmethod
    def of(cls, target: Tensor, weights: Tensor | None, boundary: Boundary) -> Normalisation:
        """That of a target ``(M, d)`` with weights of sum 1; the identity on a domain that has a size of its own."""
        points = target.detach().double()
        if not isinstance(boundary, OpenBoundary):  # lengths of the domain are in its own units
            return cls(torch.zeros_like(points[0]), 1.0)
        shares = points.new_full((len(points),), 1.0 / len(points)) if weights is None else weights.double()
        centre = shares @ points
        square = float(shares @ (points - centre).square().sum(1))
        return cls(centre, square**0.5 if square > 0 else 1.0)

    def apply(self, points: Tensor) -> Tensor:
        """Points in the coordinates of the descent, of the same dtype; the difference is taken in float64."""
        return ((points.detach().double() - self.centre) / self.scale).to(points.dtype)

    def undo(self, points: Tensor) -> Tensor:
        """Points back in the target's own coordinates."""
        return (points.detach().double() * self.scale + self.centre).to(points.dtype)
