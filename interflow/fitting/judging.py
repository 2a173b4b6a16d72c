"""What a fit is judged by: points of the target that it never saw, and a plain sample of the same size beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from interflow.fitting.quality import MOST_POINTS, exact_w2, sliced_w2

MOST_HELD_OUT = 50_000


@final
@dataclass(frozen=True, eq=False)
class Split:
    """A target in two parts.

    Args:
        seen: ``(M, d)``, what a fit descends to.
        seen_weights: ``(M,)``; None for equal ones.
        held_out: ``(K, d)``, of equal weights.
        sample: ``(N, d)``, independent points of the target.
        index: places of the seen points in the target.
    """

    seen: Tensor
    seen_weights: Tensor | None
    held_out: Tensor
    sample: Tensor
    index: Tensor


def split(target: Tensor, weights: Tensor | None, part: float, count: int, seed: int) -> Split:
    """Keep a part of a target for judging, 50 000 points at most.

    Points of equal weights are samples, and random ones are held out. Weighted points, as those of an image, are the
    measure itself, which a fit must see whole: independent draws from it are held out.

    Args:
        target: ``(M, d)``.
        weights: ``(M,)``; None for equal ones.
        part: of the points to hold out.
        count: N, of the sample to compare with.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    kept = max(1, min(MOST_HELD_OUT, round(part * len(target))))
    if weights is None and len(target) > 1:
        order = torch.randperm(len(target), generator=generator)
        seen = order[kept:].sort().values
        sample = target[seen[torch.randint(len(seen), (count,), generator=generator)]]
        return Split(target[seen], None, target[order[:kept]], sample, seen)
    masses = target.new_ones(len(target)) if weights is None else weights
    held_out, sample = (target[_draws(size, masses, generator)] for size in (kept, count))
    return Split(target, weights, held_out, sample, torch.arange(len(target)))


def figures(points: Tensor, weights: Tensor | None, held_out: Tensor) -> dict[str, float | None]:
    """The distances of a weighted cloud to held-out points: sliced W₂, and W₂ where both are small enough for it."""
    sliced = sliced_w2(points, held_out, weights)
    equal = weights is None or bool((weights == weights[0]).all())
    exact = exact_w2(points, held_out[:MOST_POINTS]) if equal and len(points) <= MOST_POINTS else None
    return {"sliced_w2": sliced, "exact_w2": exact}


def _draws(count: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    """Independent indices with probabilities in proportion to the weights."""
    cumulative = weights.double().cumsum(0)
    levels = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, levels, right=True).clamp(max=len(weights) - 1)
