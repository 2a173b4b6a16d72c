"""Coarse fits first: few points find their places at little cost, and each is then split into four.

What is left for all points is the arrangement among neighbours, which takes few steps; sums over pairs of a quarter of
the points and of the target cost a sixteenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import torch
from torch import Tensor

from interflow.discrepancies import Discrepancy
from interflow.energies import DiscrepancyEnergy
from interflow.fitting.starts import systematic

SPLIT = 4
SHIFT = 0.3
"""How far apart points are split, as a part of the distance to the nearest neighbour."""

FINE = 0.25
"""The part of the steps that each number of points after the first gets."""

MOST = 3
DiscrepancyT = TypeVar("DiscrepancyT", bound=Discrepancy)


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """A part of a descent.

    Args:
        energy: what is descended.
        count: of the points that move; None for all that are there.
        until: the step with which it ends.
    """

    energy: DiscrepancyEnergy
    count: int | None
    until: int


def stages(
    rungs: Sequence[Discrepancy],
    target: Tensor,
    weights: Tensor | None,
    *,
    count: int,
    refinements: int,
    steps: int,
    generator: torch.Generator,
) -> list[Stage]:
    """The rungs of a ladder with the fewest points, and the last of them with ever more points."""
    first = 1.0 - FINE * refinements
    parts = [first * (number + 1) / len(rungs) for number in range(len(rungs))]
    parts += [first + FINE * (number + 1) for number in range(refinements)]
    factors = [SPLIT**refinements] * len(rungs) + [SPLIT ** (refinements - 1 - number) for number in range(refinements)]
    energies = [*rungs, *[rungs[-1]] * refinements]
    return [
        Stage(
            DiscrepancyEnergy(discrepancy, *thinned(target, weights, factor, generator)),
            -(-count // factor) if refinements else None,
            round(steps * part),
        )
        for discrepancy, factor, part in zip(energies, factors, parts, strict=True)
    ]


def thinned(
    target: Tensor, weights: Tensor | None, factor: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """One point of a target in so many, with equal weights; the target itself for a factor of 1."""
    if factor == 1:
        return target, weights
    shares = target.new_full((len(target),), 1.0 / len(target)) if weights is None else weights
    return target[systematic(-(-len(target) // factor), shares, generator)], None


def resized(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """As many points as are wanted: evenly spread ones of those that are there, or each of them split.

    Example:
        >>> resized(torch.arange(6.0)[:, None], 3, torch.Generator()).flatten()
        tensor([0., 2., 4.])
    """
    chosen = torch.arange(count, device=points.device) * len(points) // count
    if count <= len(points):
        return points[chosen]
    noise = torch.randn(count, points.shape[1], generator=generator, dtype=points.dtype, device=generator.device)
    return points[chosen] + SHIFT * _nearest(points)[chosen, None] * noise.to(points.device)


def _nearest(points: Tensor) -> Tensor:
    """Distances to nearest neighbours, ``(N,)``."""
    from scipy.spatial import KDTree

    places = points.detach().cpu().double().numpy()
    distances = KDTree(places).query(places, k=min(2, len(places)))[0].reshape(len(places), -1)[:, -1]
    return torch.as_tensor(distances).to(points)
