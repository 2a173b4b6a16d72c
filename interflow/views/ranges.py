"""Where a kernel varies: the distances over which a curve shows its minimum, its zero and its decay.

Over s = log r a law without a length of its own, such as −r, 1/r or −log r, has a slope dk/ds that is a power of r. A
kernel has lengths where the exponent of that power changes, ``|d² log|dk/ds| / ds²| > 0.1``: they are found on a grid
of distances, whatever its parameters mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interflow.views.clouds import Array, array

_DECADES: Final = (-12, 12)  # of the distances that are tried
_IN_A_DECADE: Final = 100
_BEND: Final = 0.1  # change of the exponent, a factor of e of the distance, from which on it counts
_LEFT: Final = 0.01  # part of its variation that may be left of a kernel where the curve ends
_BEYOND: Final = 1.25  # how much further it goes on
_NOISE: Final = 1e-12  # of the kernel, a slope that is rounding
_WAVES: Final = 12  # turning points of a kernel that has no end
_CUTOFF: Final = 4.0  # how much further a curve without a well may go, to show where it is cut off
_SHOWN: Final = 0.25  # part of the variation after which the first feature is passed


@final
@dataclass(frozen=True)
class Range:
    """Of distances: where a curve ends, and the first distance at which there is something to be seen."""

    end: float
    first: float


def range_of(k: Callable[[Tensor], Tensor], *, longest: float, cutoffs: list[float], singular: bool) -> Range:
    """The range of distances over which a kernel varies.

    Args:
        k: the kernel of distances, elementwise.
        longest: the largest distance there is, or ∞.
        cutoffs: distances from which parts of it are 0.
        singular: whether it has no value at 0.
    """
    r, values, slopes = _sampled(k, longest)
    if len(r) < 3:
        return Range(min(longest, 1.0), min(longest, 1.0))
    after = np.append(np.cumsum(np.abs(np.diff(values))[::-1])[::-1], 0.0)  # variation from each distance on
    counts = np.abs(slopes) > _NOISE * np.abs(values)
    turns = _changes(np.where(counts, np.sign(slopes), 0.0))
    if len(turns) > _WAVES:
        return Range(min(float(r[turns[1]]), longest), float(r[turns[0]]))
    bends = _bends(r, slopes, counts)
    zeros = _changes(np.sign(values))
    zeros = zeros[counts[zeros]]
    end, settles = 1.0 if np.isinf(longest) else longest, False
    if len(bends):
        start = turns[0] if len(turns) else bends[0] if singular else 0
        settled = np.flatnonzero(after > _LEFT * after[start]).max(initial=0)
        end, settles = _BEYOND * float(r[min(settled, bends[-1])]), settled < len(r) - _IN_A_DECADE
    if not settles and np.isinf(longest) and len(zeros):
        end = max(end, _BEYOND * float(r[zeros[-1]]))
    near = [_BEYOND * cutoff for cutoff in cutoffs if cutoff <= _CUTOFF * end and not len(turns)]
    end = min(longest, max([end, *near]))
    shown = after[0] - after > _SHOWN * (after[0] - after[np.searchsorted(r, end, side="right") - 1])
    seen = [end, *r[turns[:1]], *r[zeros[:1]], *([] if singular or len(turns) else r[shown][:1])]
    return Range(end, float(min(seen)))


def _sampled(k: Callable[[Tensor], Tensor], longest: float) -> tuple[Array, Array, Array]:
    """Distances r, the kernel, and dk/d(log r), wherever they are finite."""
    low, high = _DECADES
    grid = np.logspace(low, high, (high - low) * _IN_A_DECADE + 1)
    distances = torch.as_tensor(np.append(grid[grid < longest], longest if np.isfinite(longest) else []))
    distances.requires_grad_()
    values = k(distances)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    r, found, steep = array(distances), array(values), array(distances * slopes)
    finite = np.isfinite(found) & np.isfinite(steep)
    return r[finite], found[finite], steep[finite]


def _bends(r: Array, slopes: Array, counts: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where the exponent of the slope changes, and where the kernel ends for good."""
    steps = np.diff(np.log(r))
    logarithms = np.log(np.abs(np.where(counts, slopes, 1.0)))
    exponents = np.diff(logarithms) / steps
    whole = counts[:-2] & counts[1:-1] & counts[2:]
    bent = np.flatnonzero(whole & (np.abs(np.diff(exponents) / steps[1:]) > _BEND)) + 1
    last = np.flatnonzero(counts)[-1:]
    return np.union1d(bent, last[last < len(r) - 1])


def _changes(signs: Array) -> NDArray[np.intp]:
    """Where a sign differs from the one before, zeros passed over."""
    some = np.flatnonzero(signs)
    return np.asarray(some[1:][np.diff(signs[some]) != 0.0])
