"""What do sorted points buy? The energy distance with its gradient, on a line exactly and in the plane by slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.stats
import torch
from torch import Tensor

import interflow as fl
from benchmarks import peers, references
from benchmarks.field import CHECKED_ROWS
from benchmarks.measure import Entry, Measurement, compare, relative_error
from benchmarks.peers import ValueAndGradient
from benchmarks.tables import MEASURED, Table, count, error, measured, name

SIZES = (100_000, 1_000_000)
PLANE = 100_000
DIRECTIONS = (12, 40, 96)
APART = 0.1


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """For each size a line, and for those up to `PLANE` two planes."""
    note = (
        f"N = M, uniform clouds; those apart are shifted by {APART} along each axis, and the field of those alike is "
        "what sampling leaves of it. `error` is that of the gradient, relative to float64 in the 2-norm, over the "
        f"first {count(CHECKED_ROWS)} points; `error of the value` is relative to exact sums in float64, on a line by "
        "`scipy.stats.energy_distance`. On a line `times as fast` compares with one `numpy.argsort` of all points, in "
        "the plane with the exact sums of `compiled`."
    )
    headers = ("clouds", "N", "how", "error", "error of the value", *MEASURED)
    title = "Energy distance over sorted points, value and gradient, float32"
    return Table(title, note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        yield from _rows_of("line", 1, 0.0, size, device)
        if size <= PLANE:
            yield from _rows_of("plane, alike", 2, 0.0, size, device)
            yield from _rows_of("plane, apart", 2, APART, size, device)


def _rows_of(space: str, dimension: int, shift: float, size: int, device: torch.device) -> Iterator[list[str]]:
    generator = torch.Generator().manual_seed(size)
    x = torch.rand(size, dimension, generator=generator).to(device)
    y = (torch.rand(size, dimension, generator=generator) + shift).to(device)
    on_a_line = dimension == 1
    measurements = compare(_entries_of_line(x, y) if on_a_line else _entries_of_plane(x, y), device)
    gradient = references.energy_distance_gradient(x[:CHECKED_ROWS], x, y)
    value = _by_scipy(x, y) if on_a_line else _exact(x, y)
    for measurement in measurements:
        errors = _errors(measurement, value, gradient)
        yield [space, count(size), name(measurement), *errors, *measured(measurement, measurements[0])]


def _entries_of_line(x: Tensor, y: Tensor) -> Iterator[Entry[ValueAndGradient | None]]:
    points = torch.cat([x, y])[:, 0].cpu().numpy()

    def sort_once() -> None:
        np.argsort(points)

    yield Entry("one numpy.argsort", sort_once)
    yield _interflow("sorted", fl.Sorted(), x, y)


def _entries_of_plane(x: Tensor, y: Tensor) -> Iterator[Entry[ValueAndGradient | None]]:
    yield _interflow("compiled", "compiled", x, y)
    for directions in DIRECTIONS:
        yield _interflow(f"sorted, {directions} directions", fl.Sorted(directions=directions), x, y)


def _interflow(title: str, backend: str | fl.Backend, x: Tensor, y: Tensor) -> Entry[ValueAndGradient | None]:
    loss = fl.EnergyDistance(backend=backend)
    return Entry(f"interflow, {title}", lambda: peers.value_and_gradient(loss, x, y))


def _errors(measurement: Measurement[ValueAndGradient | None], value: float, gradient: Tensor) -> list[str]:
    if measurement.result is None:
        return [error(None), error(None)]
    computed, slope = measurement.result
    return [error(relative_error(slope, gradient)), error(abs(float(computed) - value) / value)]


def _by_scipy(x: Tensor, y: Tensor) -> float:
    root = scipy.stats.energy_distance(x[:, 0].cpu().double().numpy(), y[:, 0].cpu().double().numpy())
    return float(root) ** 2


@torch.no_grad()
def _exact(x: Tensor, y: Tensor) -> float:
    return float(fl.EnergyDistance(backend="compiled")(x.double(), y.double()))
