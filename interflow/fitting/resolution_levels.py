"""From coarse to fine: bandwidths from wide to narrow, and points from few to many.

Coarse fits first: few points find their places at little cost, and three times as many then join between them.

What is left for all points is the arrangement among neighbours, which takes few steps; sums over pairs of a quarter of
the points and of the target cost a sixteenth.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import torch
from torch import Tensor

from interflow.discrepancies import Discrepancy
from interflow.energies import DiscrepancyEnergy
from interflow.errors import ArgumentError
from interflow.fitting.initialisation import systematic_resampling
from interflow.kernels import Kernel
from interflow.parameters import Parametrised

DiscrepancyT = TypeVar("DiscrepancyT", bound=Discrepancy)
BANDWIDTH = "sigma"


def scaled_discrepancies(discrepancy: DiscrepancyT, factors: Sequence[float]) -> list[DiscrepancyT]:
    """A copy of the discrepancy for each factor, the bandwidths of its kernels multiplied by it.

    Args:
        discrepancy: what it is at the factor 1.
        factors: such as ``(8, 4, 2, 1)``; none for the discrepancy alone.

    Raises:
        ArgumentError: if a factor is not positive, or no kernel has a bandwidth.

    Example:
        >>> from interflow import GaussianKernel
        >>> from interflow.discrepancies import MMD
        >>> [rung.kernel.sigma.item() for rung in scaled_discrepancies(MMD(GaussianKernel(sigma=0.5)), (4, 1))]
        [2.0, 0.5]
    """
    if not factors:
        return [copy.deepcopy(discrepancy)]
    for factor in factors:
        if not factor > 0:
            raise ArgumentError("bandwidth_factors", came=factor, wanted="positive factors, such as (8, 4, 2, 1)")
    return [_scale_bandwidths(copy.deepcopy(discrepancy), factor) for factor in factors]


def _scale_bandwidths(discrepancy: DiscrepancyT, factor: float) -> DiscrepancyT:
    kernels = [part for part in discrepancy.modules() if isinstance(part, Parametrised) and BANDWIDTH in part._positive]
    if not kernels:
        named = sorted({type(part).__name__ for part in discrepancy.modules() if isinstance(part, Kernel)})
        of = f" with {' and '.join(named)}" if named else ""
        came = f"{type(discrepancy).__name__}{of}, without a bandwidth `{BANDWIDTH}`"
        remedy = "Take MMD with a GaussianKernel, say; the energy distance acts at all lengths and needs no factors."
        raise ArgumentError("bandwidth_factors", came=came, wanted="a discrepancy with a bandwidth", remedy=remedy)
    for kernel in kernels:
        setattr(kernel, BANDWIDTH, factor * getattr(kernel, BANDWIDTH).detach())
    return discrepancy


GROWTH_FACTOR = 4
NEIGHBOURS = 12
"""Nearest neighbours between which points may join: on a hexagonal grid six would do."""

SHIFT = 0.3
"""How far points are set apart where there are too few places, as a part of the distance between neighbours."""

STAGE_FRACTION = {"samples": 0.25, "box": 0.15}
"""The part of the steps that each number of points after the first gets: from a box the first have a way to go."""

MAX_REFINEMENTS = 3


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
    discrepancies: Sequence[Discrepancy],
    target: Tensor,
    weights: Tensor | None,
    *,
    count: int,
    refinements: int,
    fine: float,
    steps: int,
    generator: torch.Generator,
) -> list[Stage]:
    """Stages of each discrepancy with the fewest points, and then of the last one with ever more points.

    Args:
        discrepancies: one for each bandwidth factor.
        target: ``(M, d)``.
        weights: ``(M,)``; None for equal ones.
        count: how many points there are in the end.
        refinements: how many times they become more.
        fine: the part of the steps that each number of points after the first gets.
        steps: of all together.
        generator: of the choice of target points for fewer ones.
    """
    first = 1.0 - fine * refinements
    parts = [first * (number + 1) / len(discrepancies) for number in range(len(discrepancies))]
    parts += [first + fine * (number + 1) for number in range(refinements)]
    factors = [GROWTH_FACTOR**refinements] * len(discrepancies) + [
        GROWTH_FACTOR ** (refinements - 1 - number) for number in range(refinements)
    ]
    energies = [*discrepancies, *[discrepancies[-1]] * refinements]
    return [
        Stage(
            DiscrepancyEnergy(discrepancy, *subsample(target, weights, factor, generator)),
            -(-count // factor) if refinements else None,
            round(steps * part),
        )
        for discrepancy, factor, part in zip(energies, factors, parts, strict=True)
    ]


def subsample(
    target: Tensor, weights: Tensor | None, factor: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """One point of a target in so many, with equal weights; the target itself for a factor of 1."""
    if factor == 1:
        return target, weights
    shares = target.new_full((len(target),), 1.0 / len(target)) if weights is None else weights
    return target[systematic_resampling(-(-len(target) // factor), shares, generator)], None


def resample_points(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """As many points as are wanted: evenly spread ones of those that are there, or all of them and more between them.

    New points lie in the middle between neighbours that are close in comparison with what is usual around them, so that
    an even cloud becomes a finer even cloud of the same density: four times as many on a surface take all edges of the
    hexagons.

    Args:
        points: ``(N, d)``.
        count: how many are wanted.
        generator: of the shifts of points that are repeated, where neighbours are too few.

    Example:
        >>> resample_points(torch.arange(6.0)[:, None], 3, torch.Generator()).flatten()
        tensor([0., 2., 4.])
        >>> resample_points(torch.arange(3.0)[:, None], 5, torch.Generator()).flatten()
        tensor([0.0000, 1.0000, 2.0000, 0.5000, 1.5000])
    """
    if count <= len(points):
        return points[torch.arange(count, device=points.device) * len(points) // count]
    more = count - len(points)
    edges, usual = _edges(points)
    middles = 0.5 * (points[edges[:more, 0]] + points[edges[:more, 1]])
    repeated = torch.arange(more - len(middles), device=points.device) % len(points)
    noise = torch.randn(
        len(repeated), points.shape[1], generator=generator, dtype=points.dtype, device=generator.device
    )
    shifted = points[repeated] + SHIFT * usual[repeated, None] * noise.to(points.device)
    return torch.cat([points, middles, shifted])


def _edges(points: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of neighbours, ``(E, 2)``, with the least ``|xᵢ − xⱼ|²/hᵢhⱼ`` first, and the mean distances h, ``(N,)``."""
    from scipy.spatial import KDTree

    places = points.detach().cpu().double().numpy()
    distances, neighbours = KDTree(places).query(places, k=min(NEIGHBOURS + 1, len(places)))
    nearest = torch.as_tensor(neighbours).reshape(len(places), -1)
    usual = torch.as_tensor(distances).reshape(len(places), -1)[:, 1:].sum(1) / max(nearest.shape[1] - 1, 1)
    own = torch.arange(len(places))[:, None].expand_as(nearest)
    pairs = torch.stack([torch.minimum(own, nearest), torch.maximum(own, nearest)], dim=-1).flatten(0, 1)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]].unique(dim=0)
    first, second = pairs.T
    lengths = (points[first] - points[second]).double().square().sum(1).cpu()
    order = (lengths / (usual[first] * usual[second]).clamp(min=1e-300)).argsort(stable=True)
    return pairs[order].to(points.device), usual.to(points)
