"""Hold-out evaluation of a fit: points of the target that it never saw, a sample beside it, and distances to both.

How good a fit is, by measures that it did not descend, on points that it never saw.

The sliced Wasserstein distance ``SW₂² = E_θ W₂²(θ·x, θ·y)`` over unit vectors θ (Rabin, Peyré, Delon and Bernot, 2012),
with ``W₂² = ∫₀¹ (F⁻¹ − G⁻¹)²`` on a line; and W₂ itself, by an exact solver.
"""

from __future__ import annotations

import io
import math
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.fitting.initialisation import systematic_resampling
from interflow.validation import check_cloud, check_not_empty, check_same_space

MAX_EXACT_POINTS = 5_000
"""Points of either cloud for which W₂ is computed exactly."""


@torch.no_grad()
def sliced_w2(
    x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None, directions: int = 64
) -> float:
    """SW₂ between two clouds, in the units of the positions; the directions are the same at every call.

    Args:
        x: ``(N, d)``.
        y: ``(M, d)``.
        x_weights: ``(N,)``, of any mass; None for equal ones.
        y_weights: ``(M,)``, of any mass; None for equal ones.
        directions: how many; in the plane equally spaced.

    Example:
        >>> round(sliced_w2(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])), 6)  # 5 / √2
        3.535534
    """
    for cloud, weights, name in ((x, x_weights, "x"), (y, y_weights, "y")):
        check_cloud(cloud, weights, names=(name, f"{name}_weights"))
        check_not_empty(cloud, name)
    check_same_space(x, y)
    x_shares, y_shares = _shares(x, x_weights), _shares(y, y_weights)
    centre = y.double().mean(0)  # far from the origin, projections would lose digits
    x, y = x.double() - centre, y.double() - centre
    squares = [
        _squared_w2(x @ theta, y @ theta, x_shares, y_shares)
        for theta in _directions(x.shape[1], directions).to(x.device)
    ]
    return math.sqrt(sum(squares) / len(squares))


def exact_w2(x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> float | None:
    """W₂ between two clouds, by the network simplex of POT; None where POT is not installed.

    Args:
        x: ``(N, d)``.
        y: ``(M, d)``.
        x_weights: ``(N,)``, of any mass; None for equal ones.
        y_weights: ``(M,)``, of any mass; None for equal ones.

    Raises:
        ArgumentError: for more than 5 000 points, for which it takes too long.
    """
    for cloud, name in ((x, "x"), (y, "y")):
        if len(cloud) > MAX_EXACT_POINTS:
            raise ArgumentError(name, came=f"{len(cloud)} points", wanted=f"at most {MAX_EXACT_POINTS}")
    from scipy.spatial.distance import cdist

    try:
        # POT imports KeOps where it is installed, which prints; and Python warns of its source where it compiles that
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ot
    except ImportError:
        return None
    points = (cloud.detach().cpu().double().numpy() for cloud in (x, y))
    costs = cdist(*points, "sqeuclidean")  # of differences: |x|² − 2xy + |y|² cancels far from the origin
    shares = [_shares(cloud, weights).cpu().numpy() for cloud, weights in ((x, x_weights), (y, y_weights))]
    return math.sqrt(float(ot.emd2(*shares, costs, numItermax=10_000_000)))


def _shares(points: Tensor, weights: Tensor | None) -> Tensor:
    masses = points.new_ones(len(points), dtype=torch.float64) if weights is None else weights.double()
    return masses / masses.sum()


def _squared_w2(x: Tensor, y: Tensor, x_shares: Tensor, y_shares: Tensor) -> float:
    """On a line: both quantile functions are constant between the levels at which one of them jumps."""
    x, x_order = x.sort()
    y, y_order = y.sort()
    x_levels, y_levels = x_shares[x_order].cumsum(0), y_shares[y_order].cumsum(0)
    levels = torch.cat([x_levels, y_levels]).sort().values.clamp(max=1.0)
    widths = levels.diff(prepend=levels.new_zeros(1))
    middles = levels - 0.5 * widths
    quantiles_x = x[torch.searchsorted(x_levels, middles).clamp(max=len(x) - 1)]
    quantiles_y = y[torch.searchsorted(y_levels, middles).clamp(max=len(y) - 1)]
    return float(widths @ (quantiles_x - quantiles_y).square())


def _directions(dimension: int, count: int) -> Tensor:
    """``(count, d)`` unit vectors, float64; one in d = 1."""
    if dimension == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if dimension == 2:
        angles = (torch.arange(count, dtype=torch.float64) + 0.5) * (math.pi / count)
        return torch.stack([angles.cos(), angles.sin()], dim=1)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    units: Tensor = vectors / vectors.norm(dim=1, keepdim=True)
    return units


MAX_HELD_OUT = 50_000


@final
@dataclass(frozen=True, eq=False)
class Split:
    """A target in two parts.

    Args:
        train: ``(M, d)``, what a fit descends to.
        train_weights: ``(M,)``, with the mass of the whole target; None for equal ones.
        held_out: ``(K, d)``, none of the points that are seen.
        held_out_weights: ``(K,)``; None for equal ones.
        sample: ``(N, d)``, independent draws from what is seen.
        index: places of the seen points in the target.
    """

    train: Tensor
    train_weights: Tensor | None
    held_out: Tensor
    held_out_weights: Tensor | None
    sample: Tensor
    index: Tensor

    @cached_property
    def held_out_subset(self) -> Tensor:
        """Held-out points of equal weights, as many as W₂ is computed for."""
        if self.held_out_weights is None or not len(self.held_out):
            return self.held_out[:MAX_EXACT_POINTS]
        count = min(MAX_EXACT_POINTS, len(self.held_out))
        return self.held_out[systematic_resampling(count, self.held_out_weights, torch.Generator().manual_seed(0))]


def split(target: Tensor, weights: Tensor | None, part: float, count: int, seed: int) -> Split:
    """Keep a part of a target for judging, 50 000 points at most.

    Points of equal weights are samples, and random ones are held out. Of weighted points, as those of an image, one is
    held out in each of as many stretches of the order that they are stored in, so that what is seen thins out evenly.
    Both parts have mass. Where all of it is in a single point nothing is held out, and nothing can be judged.

    Args:
        target: ``(M, d)``.
        weights: ``(M,)``; None for equal ones.
        part: of the points to hold out.
        count: N, of the sample to compare with.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    size = len(target)
    kept = _share(part, size)
    chosen = _any(kept, size, generator) if weights is None else _one_in_each(kept, size, generator)
    if weights is not None and not _divides(weights, chosen):
        massive = weights.cpu().nonzero().flatten()
        chosen = massive[_one_in_each(_share(part, len(massive)), len(massive), generator)]
    is_held = torch.zeros(size, dtype=torch.bool).index_fill(0, chosen, True)
    index = (~is_held).nonzero().flatten()
    seen = target[index]
    if weights is None:
        sample = seen[_draws(count, seen.new_ones(len(seen)), generator)]
        return Split(seen, None, target[chosen], None, sample, index)
    seen_weights = _with_mass(weights[index], weights)
    return Split(
        seen, seen_weights, target[chosen], weights[chosen], seen[_draws(count, seen_weights, generator)], index
    )


def held_out_distances(points: Tensor, weights: Tensor | None, parts: Split) -> dict[str, float | None]:
    """The distances of a weighted cloud to the held-out part: sliced W₂, and W₂ where both are small enough for it.

    None where nothing is held out.
    """
    if not len(parts.held_out):
        return {"sliced_w2": None, "exact_w2": None}
    sliced = sliced_w2(points, parts.held_out, weights, parts.held_out_weights)
    exact = exact_w2(points, parts.held_out_subset, weights) if len(points) <= MAX_EXACT_POINTS else None
    return {"sliced_w2": sliced, "exact_w2": exact}


def _share(part: float, size: int) -> int:
    """How many points of so many to hold out: at least one, and not all."""
    return min(max(1, min(MAX_HELD_OUT, round(part * size))), size - 1)


def _divides(weights: Tensor, chosen: Tensor) -> bool:
    """Whether there is mass in what is chosen, and in what is not."""
    count = int(weights.count_nonzero())
    return 0 < int(weights[chosen.to(weights.device)].count_nonzero()) < count


def _any(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Random indices, none twice."""
    return torch.randperm(size, generator=generator)[:count]


def _one_in_each(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A random index from each of ``count`` stretches of nearly equal length."""
    borders = torch.arange(count + 1, dtype=torch.int64) * size // max(count, 1)
    offsets = torch.rand(count, generator=generator, dtype=torch.float64) * borders.diff()
    return torch.minimum(borders[:-1] + offsets.long(), borders[1:] - 1)


def _with_mass(weights: Tensor, whole: Tensor) -> Tensor:
    """Weights of a part, scaled to the mass of the whole; unchanged where the part has none."""
    mass = float(weights.double().sum())
    return weights * (float(whole.double().sum()) / mass) if mass > 0 else weights


def _draws(count: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    """Independent indices with probabilities in proportion to the weights."""
    cumulative = weights.double().cumsum(0)
    levels = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, levels, right=True).clamp(max=len(weights) - 1)
