"""What a fit is judged by: points of the target that it never saw, and a plain sample of the same size beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from interflow.fitting.quality import MOST_POINTS, exact_w2, sliced_w2
from interflow.fitting.starts import systematic

MOST_HELD_OUT = 50_000


@final
@dataclass(frozen=True, eq=False)
class Split:
    """A target in two parts.

    Args:
        seen: ``(M, d)``, what a fit descends to.
        seen_weights: ``(M,)``, with the mass of the whole target; None for equal ones.
        held_out: ``(K, d)``, none of the points that are seen.
        held_out_weights: ``(K,)``; None for equal ones.
        sample: ``(N, d)``, independent draws from what is seen.
        index: places of the seen points in the target.
    """

    seen: Tensor
    seen_weights: Tensor | None
    held_out: Tensor
    held_out_weights: Tensor | None
    sample: Tensor
    index: Tensor

    @cached_property
    def few_held_out(self) -> Tensor:
        """Held-out points of equal weights, as many as W₂ is computed for."""
        if self.held_out_weights is None or not len(self.held_out):
            return self.held_out[:MOST_POINTS]
        count = min(MOST_POINTS, len(self.held_out))
        return self.held_out[systematic(count, self.held_out_weights, torch.Generator().manual_seed(0))]


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


def figures(points: Tensor, weights: Tensor | None, parts: Split) -> dict[str, float | None]:
    """The distances of a weighted cloud to the held-out part: sliced W₂, and W₂ where both are small enough for it.

    None where nothing is held out.
    """
    if not len(parts.held_out):
        return {"sliced_w2": None, "exact_w2": None}
    sliced = sliced_w2(points, parts.held_out, weights, parts.held_out_weights)
    exact = exact_w2(points, parts.few_held_out, weights) if len(points) <= MOST_POINTS else None
    return {"sliced_w2": sliced, "exact_w2": exact}


def _share(part: float, size: int) -> int:
    """How many points of so many to hold out: at least one, and not all."""
    return min(max(1, min(MOST_HELD_OUT, round(part * size))), size - 1)


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
