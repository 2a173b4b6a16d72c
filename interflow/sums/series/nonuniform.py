"""Fourier sums by nonuniform fast Fourier transforms: FINUFFT (Barnett, Magland and af Klinteberg, 2019).

Real sums go through its complex transforms in pairs, as real and imaginary parts. On the CPU the points are divided
among the threads, each with a plan of its own that runs alone: sums are then added up in a fixed order, so that results
repeat to the bit, which those of a transform of several threads do not, and no thread waits for another.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar, final

import torch
from torch import Tensor

from interflow.sums.series.grids import Grid, Work, finest
from interflow.sums.series.modes import Modes
from interflow.sums.series.transform import Accuracy, Samples, Transform
from interflow.sums.series.turns import Turn

ResultT = TypeVar("ResultT")

PACKAGES: Final = {"cpu": "finufft", "cuda": "cufinufft"}
EXTRAS: Final = {"cpu": "fast", "cuda": "fast-cuda"}
"""What transforms on which device."""

_WORTH_A_THREAD = 2**12
"""Points for which a plan of their own pays."""

_DEVICE_MISS: Final = 8.0
"""Times its own tolerance by which cuFINUFFT may miss an exponential."""

_DEVICE_FINEST: Final = 1e-14
"""The least tolerance that it takes."""


@functools.cache
def is_installed(package: str) -> bool:
    """Whether a package is there; it is not imported."""
    return importlib.util.find_spec(package) is not None


@final
@dataclass(frozen=True)
class NonuniformFFT(Transform):
    """FINUFFT plans on the CPU, cuFINUFFT plans on CUDA devices, in complex128.

    Args:
        accuracy: how right exponentials must be, in an analysis and where nothing else is said.
    """

    accuracy: Accuracy

    @classmethod
    def to(cls, precision: float) -> NonuniformFFT:
        """Every exponential right to a precision."""
        return cls(Accuracy(precision, math.inf))

    def at(self, points: Tensor, modes: Modes) -> Samples:
        angles = modes.angles(points)
        make = _DevicePlan if points.device.type == "cuda" else _HostPlan
        return _PlanSamples([make(cloud, modes, self.accuracy) for cloud in angles], modes)


@final
@dataclass(frozen=True)
class _PlanSamples(Samples):
    """A plan for each cloud of a batch."""

    plans: Sequence[_HostPlan | _DevicePlan]
    modes: Modes

    def analyse(self, weights: Tensor) -> Tensor:
        sums = torch.stack([plan.analyse(_paired(own)) for plan, own in zip(self.plans, weights, strict=True)])
        if weights.shape[1] == 1:
            return sums
        mirrored = _mirrored(sums, self.modes)
        apart = torch.stack([0.5 * (sums + mirrored), -0.5j * (sums - mirrored)], dim=2)
        return apart.flatten(1, 2)[:, : weights.shape[1]]

    def synthesise(self, coefficients: Tensor, accuracy: Accuracy | None = None, real: bool = False) -> Tensor:
        count = coefficients.shape[1]
        if count > 1:
            if not real:
                coefficients = 0.5 * (coefficients + _mirrored(coefficients, self.modes))
            even, odd = coefficients[:, ::2], coefficients[:, 1::2]
            pairs = torch.add(even[:, : odd.shape[1]], odd, alpha=1j)
            coefficients = torch.cat([pairs, even[:, odd.shape[1] :]], dim=1) if count % 2 else pairs
        clouds = zip(self.plans, coefficients, strict=True)
        first, *others = (plan.synthesise(own, accuracy).flatten(0, 1) for plan, own in clouds)
        return (torch.stack([first, *others]) if others else first[None])[:, :count]


def _paired(weights: Tensor) -> Tensor:
    """Two rows of ``(n, N)`` real numbers as one of complex ones."""
    if weights.shape[0] == 1:
        return weights.to(torch.complex128)
    if weights.shape[0] % 2:
        weights = torch.cat([weights, torch.zeros_like(weights[:1])])
    return torch.complex(weights[::2], weights[1::2])


def _mirrored(coefficients: Tensor, modes: Modes) -> Tensor:
    """The conjugates of the coefficients at −k."""
    return coefficients.flip(list(range(-modes.dimension, 0))).conj().resolve_conj()


@final
class _HostPlan:
    """Plans of single threads for parts of ``(d, N)`` angles, on grids as fine as what is asked of them.

    Of T threads each takes every T-th point: what a point costs depends on how crowded its surroundings are, and points
    that follow each other are often from the same place.
    """

    def __init__(self, angles: Tensor, modes: Modes, accuracy: Accuracy) -> None:
        self._count = angles.shape[1]
        parts = min(torch.get_num_threads(), max(1, self._count // _WORTH_A_THREAD))
        self._parts = [slice(first, None, parts) for first in range(parts)]
        self._modes = modes
        self._finite = bool(angles.sum().isfinite())  # the transform takes no others: it would write anywhere
        self._turn = Turn.of(angles) if self._finite else Turn((0,) * len(angles))
        angles = self._turn.angles(angles) if self._finite else torch.zeros_like(angles)
        self._angles = [[axis[part].contiguous().numpy() for axis in angles] for part in self._parts]
        self._work = Work(self._count // parts, modes)
        self._finest = finest(self._work, accuracy)
        self._plans: dict[Grid, list[Any]] = {}

    def analyse(self, weights: Tensor) -> Tensor:
        """``(n, N)`` to ``(n, *modes)``."""
        if self._count == 0:
            return weights.new_zeros(len(weights), *self._modes.shape)
        plans = self._on(self._finest)

        def part_of(part: int) -> list[Tensor]:
            rows = (row[self._parts[part]].contiguous().numpy() for row in weights)
            return [torch.from_numpy(plans[part].execute(row)) for row in rows]

        first, *others = _in_threads(part_of, range(len(plans)))
        total = torch.stack(first)
        for other in others:
            for row, more in zip(total, other, strict=True):
                row += more
        return self._turn.back(total) if self._finite else total.fill_(math.nan)

    def synthesise(self, coefficients: Tensor, accuracy: Accuracy | None) -> Tensor:
        """``(n, *modes)`` to the real and the imaginary parts, ``(n, 2, N)``."""
        coefficients = self._turn.forth(coefficients).contiguous()
        values = torch.empty(len(coefficients), 2, self._count, dtype=torch.float64)
        if self._count == 0:
            return values
        plans = self._on(self._cheapest(len(coefficients), accuracy))

        def fill(part: int) -> None:
            for row, out in zip(coefficients, values, strict=True):
                own = torch.from_numpy(plans[part].execute_adjoint(row.numpy()))
                out[:, self._parts[part]] = torch.view_as_real(own).mT

        _in_threads(fill, range(len(plans)))
        return values if self._finite else values.fill_(math.nan)

    def _cheapest(self, count: int, accuracy: Accuracy | None) -> Grid:
        """The grid for so many transforms: that of an analysis, or a coarser one if that pays for sorting again."""
        coarse = None if accuracy is None else self._work.grid(accuracy)
        if coarse is None or coarse == self._finest:
            return self._finest
        gain = count * (self._work.seconds(self._finest) - self._work.seconds(coarse))
        return coarse if gain > self._work.sorting else self._finest

    def _on(self, grid: Grid) -> list[Any]:
        if grid not in self._plans:
            self._plans[grid] = _in_threads(lambda angles: _plan(angles, self._modes, grid), self._angles)
        return self._plans[grid]


@final
class _DevicePlan:
    """Plans of cuFINUFFT for ``(d, N)`` angles; one a direction."""

    def __init__(self, angles: Tensor, modes: Modes, accuracy: Accuracy) -> None:
        self._angles = list(angles.contiguous())
        self._modes = modes
        self._tolerance = max(accuracy.precision / _DEVICE_MISS, _DEVICE_FINEST)
        self._plans: dict[int, Any] = {}

    def analyse(self, weights: Tensor) -> Tensor:
        """``(n, N)`` to ``(n, *modes)``."""
        return self._each(1, -1, weights, self._modes.shape)

    def synthesise(self, coefficients: Tensor, accuracy: Accuracy | None) -> Tensor:
        """``(n, *modes)`` to the real and the imaginary parts, ``(n, 2, N)``."""
        return torch.view_as_real(self._each(2, 1, coefficients, tuple(self._angles[0].shape))).mT

    def _each(self, kind: int, sign: int, data: Tensor, shape: tuple[int, ...]) -> Tensor:
        results = data.new_zeros(len(data), *shape)
        if self._angles[0].numel() == 0:
            return results
        if kind not in self._plans:
            plan = _module("cufinufft").Plan(
                kind, self._modes.shape, eps=self._tolerance, isign=sign, dtype="complex128"
            )
            plan.setpts(*self._angles)
            self._plans[kind] = plan
        for row, out in zip(data, results, strict=True):
            self._plans[kind].execute(row.contiguous(), out=out)
        return results


def _plan(angles: list[Any], modes: Modes, grid: Grid) -> Any:
    plan = _module("finufft").Plan(
        1,
        modes.shape,
        eps=grid.tolerance,
        isign=-1,
        dtype="complex128",
        nthreads=1,
        upsampfac=grid.upsampling,
        showwarn=0,
    )
    plan.setpts(*angles)
    return plan


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


def _in_threads(task: Callable[[Any], ResultT], arguments: Iterable[Any]) -> list[ResultT]:
    """The results in order; C code that runs alone lets the threads go."""
    listed = list(arguments)
    if len(listed) == 1:
        return [task(listed[0])]
    with ThreadPoolExecutor(len(listed)) as pool:
        return list(pool.map(task, listed))
