"""Fourier sums by nonuniform fast Fourier transforms: FINUFFT (Barnett, Magland and af Klinteberg, 2019).

Real sums go through its complex transforms in pairs, as real and imaginary parts. On the CPU the points are divided
among the threads, each with a plan of its own that runs alone: sums are then added up in a fixed order, so that results
repeat to the bit, which those of a transform of several threads do not, and no thread waits for another.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar, final

import torch
from torch import Tensor

from interflow.sums.series.modes import Modes
from interflow.sums.series.transform import Samples, Transform

ResultT = TypeVar("ResultT")

PACKAGES: Final = {"cpu": "finufft", "cuda": "cufinufft"}
"""What transforms on which device."""

_WORTH_A_THREAD = 2**12
"""Points for which a plan of their own pays."""

_MISSES: Final = {2.0: 8.0, 1.25: 32.0}
"""Times its own tolerance by which FINUFFT may miss an exponential, for each ratio of fine grid to modes.

Up to 4.2 and 22 were seen over d, numbers of modes and tolerances down to `_FINEST`.
"""

_FINEST: Final = {2.0: 1e-14, 1.25: 1e-9}
"""The least tolerance that FINUFFT takes, or keeps so."""


@functools.cache
def is_installed(package: str) -> bool:
    """Whether a package is there; it is not imported."""
    return importlib.util.find_spec(package) is not None


@final
@dataclass(frozen=True)
class NonuniformFFT(Transform):
    """FINUFFT plans on the CPU, cuFINUFFT plans on CUDA devices, in complex128.

    Args:
        precision: the error that an exponential may have, at least `LEAST_PRECISION`.
    """

    precision: float

    def at(self, points: Tensor, modes: Modes) -> Samples:
        angles = modes.angles(points)
        make = _DevicePlan if points.device.type == "cuda" else _HostPlan
        return _PlanSamples([make(cloud, modes, self.precision) for cloud in angles], modes)


LEAST_PRECISION: Final = _MISSES[2.0] * _FINEST[2.0]
"""The least error of an exponential that can be had."""


@dataclass(frozen=True)
class Work:
    """What transforms of so many points cost on a CPU core.

    A point touches wᵈ cells of the fine grid, whose width w follows from the tolerance ε and the ratio s of fine grid
    to modes along an axis, ``w = 1 + log(1/ε) / π√(1 − 1/s)`` (Barnett, Magland and af Klinteberg, 2019).

    Args:
        points: the number of points.
        modes: the modes.
        precision: the error that an exponential may have.
    """

    points: int
    modes: Modes
    precision: float

    def upsampling(self) -> float:
        """The ratio s that costs least: where modes are many and points few, a coarser grid and more cells a point."""
        kept = [s for s, miss in _MISSES.items() if self.precision / miss >= _FINEST[s] or s == 2.0]
        return min(kept, key=self.seconds)

    def seconds(self, upsampling: float) -> float:
        """The time of one transform."""
        width = 1.0 - math.log(self.tolerance(upsampling)) / (math.pi * math.sqrt(1.0 - 1.0 / upsampling))
        a_point = 2e-8 + 2.5e-9 * width + 5.5e-10 * width**self.modes.dimension
        return self.points * a_point + upsampling**self.modes.dimension * self.modes.count * 3e-8

    def tolerance(self, upsampling: float) -> float:
        """ε."""
        return min(self.precision / _MISSES[upsampling], 0.1)


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

    def synthesise(self, coefficients: Tensor) -> Tensor:
        count = coefficients.shape[1]
        if count > 1:
            coefficients = 0.5 * (coefficients + _mirrored(coefficients, self.modes))  # those of real functions
            odd = coefficients[:, 1::2]
            packed = coefficients[:, ::2].clone()
            packed[:, : odd.shape[1]] += 1j * odd
            coefficients = packed
        values = torch.stack([plan.synthesise(own) for plan, own in zip(self.plans, coefficients, strict=True)])
        return torch.view_as_real(values).mT.flatten(1, 2)[:, :count]


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
    """Plans of single threads for slices of ``(d, N)`` angles."""

    def __init__(self, angles: Tensor, modes: Modes, precision: float) -> None:
        count = angles.shape[1]
        parts = min(torch.get_num_threads(), max(1, count // _WORTH_A_THREAD))
        edges = [count * part // parts for part in range(parts + 1)]
        self._slices = [slice(*pair) for pair in itertools.pairwise(edges)]
        self._modes = modes
        self._count = count
        work = Work(count // parts, modes, precision)
        self._finite = bool(angles.sum().isfinite())  # the transform takes no others: it would write anywhere
        angles = angles if self._finite else torch.zeros_like(angles)
        self._plans: list[Any] = _in_threads(lambda part: _plan(angles[:, part].contiguous(), work), self._slices)

    def analyse(self, weights: Tensor) -> Tensor:
        """``(n, N)`` to ``(n, *modes)``."""
        if self._count == 0:
            return weights.new_zeros(len(weights), *self._modes.shape)

        def part_of(part: int) -> list[Tensor]:
            rows = (row[self._slices[part]].contiguous().numpy() for row in weights)
            return [torch.from_numpy(self._plans[part].execute(row)) for row in rows]

        first, *others = _in_threads(part_of, range(len(self._plans)))
        total = torch.stack(first)
        for other in others:
            for row, more in zip(total, other, strict=True):
                row += more
        return total if self._finite else total.fill_(math.nan)

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """``(n, *modes)`` to ``(n, N)``."""
        coefficients = coefficients.contiguous()
        values = coefficients.new_zeros(len(coefficients), self._count)
        if self._count == 0:
            return values

        def fill(part: int) -> None:
            for row, out in zip(coefficients, values, strict=True):
                self._plans[part].execute_adjoint(row.numpy(), out=out[self._slices[part]].numpy())

        _in_threads(fill, range(len(self._plans)))
        return values if self._finite else values.fill_(math.nan)


@final
class _DevicePlan:
    """Plans of cuFINUFFT for ``(d, N)`` angles; one a direction."""

    def __init__(self, angles: Tensor, modes: Modes, precision: float) -> None:
        self._angles = list(angles.contiguous())
        self._modes = modes
        self._tolerance = Work(angles.shape[1], modes, precision).tolerance(2.0)
        self._plans: dict[int, Any] = {}

    def analyse(self, weights: Tensor) -> Tensor:
        """``(n, N)`` to ``(n, *modes)``."""
        return self._each(1, -1, weights, self._modes.shape)

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """``(n, *modes)`` to ``(n, N)``."""
        return self._each(2, 1, coefficients, tuple(self._angles[0].shape))

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


def _plan(angles: Tensor, work: Work) -> Any:
    upsampling = work.upsampling()
    plan = _module("finufft").Plan(
        1,
        work.modes.shape,
        eps=work.tolerance(upsampling),
        isign=-1,
        dtype="complex128",
        nthreads=1,
        upsampfac=upsampling,
        showwarn=0,
    )
    plan.setpts(*(axis.numpy() for axis in angles))
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
