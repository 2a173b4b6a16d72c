"""Sums over lattices, of images in space or of modes in frequency, and bounds of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

_ENOUGH = 1e-3
"""Part of a sum under which what is left of it is bounded by a geometric series."""


def value(parameter: Tensor) -> float:
    """A hyperparameter as a number."""
    return float(parameter.detach().item())


def first_beyond(frequency: float, spacing: float) -> float:
    """The least multiple of the spacing above a frequency; one that is equal up to rounding is not above."""
    return (math.floor(frequency / spacing * (1.0 + 1e-12)) + 1) * spacing


def union(outer: Sequence[float], whole: Sequence[float]) -> float:
    """``Σₐ outerₐ Π_{b≠a} whole_b``: bounds what a product of sums has outside a box, by what each axis has."""
    return sum(
        part * math.prod(whole[:axis]) * math.prod(whole[axis + 1 :]) for axis, part in enumerate(outer) if part > 0.0
    )


def shell_sum(decay: Callable[[float], float], lengths: Sequence[float], shells: int) -> float:
    """A bound of ``Σ decay(|δ + nL|)`` over the images n beyond a number of shells, for every nearest image δ.

    In the shell j = ``|n|_∞`` lie ``(2j + 1)ᵈ − (2j − 1)ᵈ`` images, at ``(j − ½)L`` or more for the shortest L. Of the
    2d on the axes, half are at jL or more; the others are half a period off on a second axis as well.

    Args:
        decay: decreasing and log-concave; then the terms fall at least geometrically from any one on.
        lengths: the periods; infinite ones have no images.
        shells: the number of shells that are left out, 0 for the nearest image alone.
    """
    periods = [length for length in lengths if math.isfinite(length)]
    if not periods:
        return 0.0
    axes, shortest = len(periods), min(periods)

    def shell(j: int) -> float:
        others = (2.0 * j + 1.0) ** axes - (2.0 * j - 1.0) ** axes - 2.0 * axes
        on_axes = decay((j - 0.5) * shortest) + decay(j * shortest)
        return axes * on_axes + others * decay(math.hypot(j - 0.5, 0.5) * shortest)

    result, j, term, following = 0.0, shells + 1, shell(shells + 1), shell(shells + 2)
    while term > 0.0 and (following >= term or term > _ENOUGH * result):
        result, j, term, following = result + term, j + 1, following, shell(j + 2)
    return result + (term / (1.0 - following / term) if term > 0.0 else 0.0)


def total(terms: Sequence[Tensor]) -> Tensor:
    """The sum, by halves: formulas stay shallow and round-off small."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return total(terms[:half]) + total(terms[half:])
