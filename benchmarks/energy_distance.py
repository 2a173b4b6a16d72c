"""How long does a training step's loss take? The energy distance with its gradient, d = 2, M = 1.01 N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import cycle

import torch
from torch import Tensor

import interflow as fl
from benchmarks import peers, references
from benchmarks.field import BACKENDS, CHECKED_ROWS
from benchmarks.measure import Entry, compare, relative_error
from benchmarks.peers import ValueAndGradient
from benchmarks.tables import MEASURED, Table, count, error, measured, name

SIZES = (1_000, 10_000, 100_000)
CHECKED_VALUES = 20_000


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and each way."""
    note = (
        f"`error` is that of the gradient, relative to float64 in the 2-norm, over the first {count(CHECKED_ROWS)} "
        "points; `error of the value` is absolute, where the sums that cancel in it are of order 1. "
        "`times as fast` compares with GeomLoss, tensorized. interflow sums the pairs within the target once while the "
        "target stays as it is; with `a new target` each call has another."
    )
    headers = ("N", "how", "error", "error of the value", *MEASURED)
    title = "Energy distance, value and gradient: M = 1.01 N, d = 2, float32"
    return Table(title, note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        x = torch.rand(size, 2, generator=generator).to(device)
        y = torch.rand(round(1.01 * size), 2, generator=generator).to(device)

        @cache
        def reference(points: int, x: Tensor = x, y: Tensor = y) -> tuple[float | None, Tensor]:
            part, target, _ = peers.part(x, y, points)
            value = references.energy_distance(part, target) if points <= CHECKED_VALUES else None
            return value, references.energy_distance_gradient(part[:CHECKED_ROWS], part, target)

        measurements = compare(entries(x, y), device)
        for measurement in measurements:
            errors: list[float | None] = [None, None]
            if measurement.result is not None:
                errors = _errors(measurement.result, *reference(len(measurement.result[1])))
            row = [count(size), name(measurement), *map(error, errors)]
            yield [*row, *measured(measurement, measurements[0])]


def entries(x: Tensor, y: Tensor) -> Iterator[Entry[ValueAndGradient]]:
    """The peers, then every backend."""
    yield peers.geomloss_energy_distance(x, y, "tensorized")
    yield peers.geomloss_energy_distance(x, y, "online")
    yield peers.keops_fused_energy_distance(x, y)
    yield peers.plain_energy_distance(x, y)
    for backend in BACKENDS:
        loss = fl.MMD(fl.DistanceKernel(), backend=backend)
        yield Entry(f"interflow, {backend}", partial(peers.value_and_gradient, loss, x, y))
    loss = fl.MMD(fl.DistanceKernel(), backend="compiled")
    targets = cycle([y.roll(shift, dims=0) for shift in range(3)])  # more than are kept
    yield Entry("interflow, compiled, a new target", lambda: peers.value_and_gradient(loss, x, next(targets)))


def _errors(result: ValueAndGradient, value: float | None, gradient: Tensor) -> list[float | None]:
    computed, slope = result
    return [relative_error(slope, gradient), None if value is None else abs(float(computed) - value)]
