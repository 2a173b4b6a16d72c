"""The discrepancy that a fit descends where none is given, and fits that give the same bits each time.

The discrepancy that a fit descends where none is given: the energy distance.

Summed over pairs it costs ``N (N + M)`` a step; where that is much, coarser fits come first. In the plane it is then
taken over the waves of a torus around both clouds (`BandlimitedEnergyKernel`), down to a part of the distance at which
fitted points will lie from their neighbours: ``N + modes·log(modes)`` a step, and the target is transformed once.
"""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass, replace
from typing import TypeVar, final

import torch
from torch import Tensor

from interflow.boundaries import PeriodicBoundary
from interflow.discrepancies import MMD, Discrepancy, EnergyDistance
from interflow.errors import InterflowWarning
from interflow.kernels import BandlimitedEnergyKernel
from interflow.kernels.bandlimited_energy import MOST_WAVES
from interflow.sums import Auto, Nufft, Sorted

MAX_DIRECT_PAIRS = 2e9
"""Pairs a step, some tenths of a second, up to which they are summed."""

MARGIN = 0.125
"""Room on each side of the clouds, as a part of their extent, so that edges that face each other hardly meet."""

MIN_WAVELENGTH_RATIO = 0.65
"""The shortest wave, as a part of the distance between neighbours where the target is dense."""

TOLERANCE = 1e-3
MAX_ASPECT_RATIO = 16.0
"""The ratio of the sides of the box from which the waves are too many along one of them."""

SLICES = 64
"""Directions of the losses that are recorded."""

MIN_REFINED_POINTS = 10_000
"""Points from which coarser fits come first."""

_CELLS = 64
_DENSE = 0.9


@final
@dataclass(frozen=True)
class Objective:
    """What is descended where no discrepancy is given.

    Args:
        discrepancy: D.
        description: what it is, in words.
        loss: what is recorded in its place; None for D itself.
        refinements: coarser fits that come first.
    """

    discrepancy: Discrepancy
    description: str
    loss: Discrepancy | None = None
    refinements: int = 0


def default_objective(points: Tensor, target: Tensor, shares: Tensor | None) -> Objective:
    """The energy distance from points ``(N, d)`` to a target ``(M, d)`` with weights of sum 1, in the way that is fast.

    Warns:
        InterflowWarning: where a package is missing that would make it fast.
    """
    both = torch.stack([torch.minimum(points.amin(0), target.amin(0)), torch.maximum(points.amax(0), target.amax(0))])
    extent = (both[1] - both[0]).double()
    if len(points) * (len(points) + len(target)) <= MAX_DIRECT_PAIRS or target.shape[1] == 1:
        return Objective(EnergyDistance(), "energy distance")
    if target.shape[1] != 2 or not float(extent.amin()) * MAX_ASPECT_RATIO > float(extent.amax()):
        return _refined(len(points))
    if (reason := Nufft().unavailable_reason(target.device.type)) is not None:
        pairs = f"{len(points) * (len(points) + len(target)):.1e} pairs"
        warnings.warn(
            f"`discrepancy`: sums of {pairs} a step will take long, and a faster way is not there: {reason}.",
            InterflowWarning,
            stacklevel=5,  # the caller of `fit`
        )
        return _refined(len(points))
    lengths = (1.0 + 2.0 * MARGIN) * extent
    modes = _modes(lengths, MIN_WAVELENGTH_RATIO * _spacing(len(points), target, shares))
    torus = PeriodicBoundary(lengths, lower=both[0].double() - MARGIN * extent)
    wave = float(lengths.amin()) / modes
    return Objective(
        MMD(BandlimitedEnergyKernel(lengths, modes), boundary=torus, backend=Nufft(), tolerance=TOLERANCE),
        f"energy distance over waves of {wave:.2g} and longer, in units of the descent, on a torus around the clouds",
    )


def _refined(count: int) -> Objective:
    """All pairs, after coarser fits; a loss over all pairs would take as long as some steps."""
    return Objective(
        EnergyDistance(),
        "energy distance; the losses are those of its slices",
        EnergyDistance(backend=Sorted(directions=SLICES)),
        refinements=2 if count >= MIN_REFINED_POINTS else 0,
    )


def _modes(lengths: Tensor, wave: float) -> int:
    """The waves along the shortest side down to a length, as far as they fit."""
    shortest, longest = float(lengths.amin()), float(lengths.amax())
    most = math.floor(math.sqrt(MOST_WAVES * shortest / longest)) - 1
    return max(1, min(math.ceil(shortest / wave), most))


def _spacing(count: int, target: Tensor, shares: Tensor | None) -> float:
    """``1/√(N ρ)``, with the density ρ under which nine tenths of the mass lie, on a grid of cells."""
    lower, upper = target.amin(0), target.amax(0)
    cell = ((upper - lower) / _CELLS).clamp(min=torch.finfo(target.dtype).tiny)
    x, y = ((target - lower) / cell).long().clamp(0, _CELLS - 1).T
    weights = target.new_full((len(target),), 1.0 / len(target)) if shares is None else shares
    masses = torch.bincount(x * _CELLS + y, weights.double(), minlength=_CELLS**2).sort().values
    dense = masses[int((masses.cumsum(0) < _DENSE * masses.sum()).sum())]
    return math.sqrt(float(cell.double().prod()) / (count * float(dense)))


DiscrepancyT = TypeVar("DiscrepancyT", bound=Discrepancy)


def deterministic_copy(discrepancy: DiscrepancyT) -> DiscrepancyT:
    """A copy whose sums, where it is open which backend does them, leave out those that round otherwise each time.

    Example:
        >>> from interflow import EnergyDistance
        >>> deterministic_copy(EnergyDistance()).mmd.backend
        Auto(repetitions=None, deterministic=True)
    """
    copied = copy.deepcopy(discrepancy)
    for part in copied.modules():
        if isinstance(part, MMD) and part.backend == "auto":
            part.backend = Auto(deterministic=True)
        elif isinstance(part, MMD) and isinstance(part.backend, Auto):
            part.backend = replace(part.backend, deterministic=True)
    return copied
