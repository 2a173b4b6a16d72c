"""How long does the field of a million points take within a tolerance? Gaussian kernels on the unit torus, all images.

The peer is a bare pair of FINUFFT transforms in complex64, type 1 and type 2, with as many modes as the kernel needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import finufft
import numpy as np
import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.measure import Entry, Measurement, compare, relative_error
from benchmarks.tables import Table, count, error, number, ratio

SIZES = (10_000, 100_000, 1_000_000)
TOLERANCE = 1e-5
CHECKED_ROWS = 128
EXACT_ROWS = 512
BARE_TOLERANCE = 1e-5


class Case(NamedTuple):
    """A cloud and a kernel."""

    points: str
    sigma: float
    dimension: int


CASES = tuple(
    Case(points, sigma, dimension)
    for sigma, dimension in ((0.1, 2), (0.01, 2), (0.05, 3))
    for points in ("half clustered", "uniform")
)


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and cloud."""
    rows = (_row(case, size, device) for size in sizes for case in CASES)
    note = (
        f"`auto` within a tolerance of {TOLERANCE:g}, float32 positions, unit torus, all images; `error` is relative "
        f"to float64 in the 2-norm, at {CHECKED_ROWS} points. The bare pair is one transform of type 1 and one of type "
        "2 by FINUFFT in single precision, without coefficients or gradient: what the machine does at best. The exact "
        f"sum of `compiled` is timed for {EXACT_ROWS} points and scaled."
    )
    headers = ("N", "d", "σ", "points", "takes", "error", "seconds", "bare pair", "over it", "exact", "times as fast")
    return Table("Field within a tolerance, by Fourier series", note, headers, rows)


def cloud(case: Case, size: int) -> Tensor:
    """``(size, d)``: uniform, or half of it in a normal cluster of width 0.05."""
    generator = torch.Generator().manual_seed(size)
    x = torch.rand(size, case.dimension, generator=generator)
    if case.points == "half clustered":
        x[: size // 2] = (0.5 + 0.05 * torch.randn(size // 2, case.dimension, generator=generator)).remainder(1.0)
    return x


def entries(case: Case, x: Tensor) -> Iterator[Entry[Tensor | None]]:
    """The field, the exact sum, and the bare transforms."""
    yield Entry("auto", field(case, x, x, "auto", TOLERANCE))
    rows = x[:EXACT_ROWS]
    yield Entry("compiled", field(case, rows, x, "compiled", None), len(rows) / len(x))
    if x.device.type == "cpu":
        yield Entry("bare", bare_pair(case, x))


def bare_pair(case: Case, x: Tensor) -> Callable[[], None]:
    """The transforms alone: no coefficients, no gradient."""
    width = int(np.ceil(np.sqrt(np.log(1e6) / 2) / (np.pi * case.sigma)))
    modes = (2 * width + 1,) * case.dimension
    axes = [(2 * np.pi * (axis - 0.5)).contiguous().numpy() for axis in x.T]
    strengths = np.full(len(x), 1 / len(x), dtype="complex64")

    def call() -> None:
        first = finufft.Plan(
            1, modes, eps=BARE_TOLERANCE, isign=-1, dtype="complex64", nthreads=torch.get_num_threads()
        )
        first.setpts(*axes)
        sums = first.execute(strengths)
        second = finufft.Plan(
            2, modes, eps=BARE_TOLERANCE, isign=1, dtype="complex64", nthreads=torch.get_num_threads()
        )
        second.setpts(*axes)
        second.execute(sums)

    return call


def _torus() -> fl.PeriodicBoundary:
    return fl.PeriodicBoundary(1.0, images="all")


def field(case: Case, rows: Tensor, x: Tensor, backend: str, tolerance: float | None) -> Callable[[], Tensor]:
    """The field of the points x at some rows."""
    kernel, torus = fl.GaussianKernel(case.sigma), _torus()
    return lambda: fl.field(kernel, rows, x, boundary=torus, backend=backend, tolerance=tolerance)


def _row(case: Case, size: int, device: torch.device) -> list[str]:
    x = cloud(case, size).to(device)
    measurements = {measurement.entry.name: measurement for measurement in compare(entries(case, x), device)}
    ours, exact = (measurements[way].seconds for way in ("auto", "compiled"))
    bare = measurements["bare"].seconds if "bare" in measurements else math.nan
    told = fl.explain(fl.GaussianKernel(case.sigma), x, x, boundary=_torus(), tolerance=TOLERANCE)
    setting = [count(size), str(case.dimension), f"{case.sigma:g}", case.points, told.backend]
    times = [number(ours), number(bare), ratio(ours, bare), number(exact), ratio(exact, ours)]
    return [*setting, error(_error(case, measurements["auto"], x)), *times]


def _error(case: Case, measurement: Measurement[Tensor | None], x: Tensor) -> float | None:
    if measurement.result is None:
        return None
    checked = torch.linspace(0, len(x) - 1, min(CHECKED_ROWS, len(x)), device=x.device).long()
    weights = x.new_full((len(x),), 1 / len(x))
    reference = references.gaussian_field_of_all_images(x[checked], x, weights, case.sigma)
    return relative_error(measurement.result[checked], reference)
