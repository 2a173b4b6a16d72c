"""Products of parameters, of which a run of minutes takes a cover and ``--full`` the whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import pytest


def pairwise(*axes: Sequence[Any]) -> set[tuple[Any, ...]]:
    """Combinations in which every value of each axis meets every value of each other one; some, chosen greedily.

    Example:
        >>> len(pairwise(range(4), range(3), range(2), range(2)))
        12
    """
    sizes = [range(len(axis)) for axis in axes]
    left = list(product(*sizes))
    missing = {pair for case in left for pair in _pairs(case)}
    chosen = set()
    while missing:
        best = max(left, key=lambda case: len(missing.intersection(_pairs(case))))
        missing.difference_update(_pairs(best))
        chosen.add(tuple(axis[index] for axis, index in zip(axes, best, strict=True)))
    return chosen


def _pairs(case: tuple[int, ...]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return list(combinations(enumerate(case), 2))


def in_pairs(names: str, *axes: Sequence[Any]) -> pytest.MarkDecorator:
    """All combinations of some arguments: always a cover of the pairs of their values, the rest with ``--full``."""
    cover = pairwise(*axes)
    cases = [pytest.param(*case, marks=[] if case in cover else [pytest.mark.full]) for case in product(*axes)]
    return pytest.mark.parametrize(names, cases)
