"""How long does the field of a million points take within a tolerance? Gaussian kernels on the unit torus, all images.

The peer is a bare pair of FINUFFT transforms in complex64, type 1 and type 2, with as many modes as the kernel needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import finufft
import numpy as np
import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.measure import Entry, Measurement, compare, relative_error
from benchmarks.tables import NOTHING, Table, count, error, name, number, ratio

SIZES = (10_000, 100_000, 1_000_000)
TOLERANCE = 1e-5
CHECKED_ROWS = 128
EXACT_ROWS = 512
BARE_TOLERANCE = 1e-5
BACKENDS = ("fourier", "nufft", "auto")


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
    """One row for each size, cloud and way."""
    rows = [row for size in sizes for case in CASES for row in _rows(case, size, device)]
    note = (
        f"Float32 positions, tolerance {TOLERANCE:g}. `error` is relative to float64 in the 2-norm, at {CHECKED_ROWS} "
        f"points. `predicted` is the backend's own cost over the seconds measured. The exact sum is timed for "
        f"{EXACT_ROWS} points and scaled."
    )
    headers = ("N", "d", "σ", "points", "how", "error", "seconds", "bare pairs", "predicted")
    return Table("Field within a tolerance, by Fourier series", note, headers, rows)


def cloud(case: Case, size: int) -> Tensor:
    """``(size, d)``: uniform, or half of it in a normal cluster of width 0.05."""
    generator = torch.Generator().manual_seed(size)
    x = torch.rand(size, case.dimension, generator=generator)
    if case.points == "half clustered":
        x[: size // 2] = (0.5 + 0.05 * torch.randn(size // 2, case.dimension, generator=generator)).remainder(1.0)
    return x


def entries(case: Case, x: Tensor) -> Iterator[Entry[Tensor | None]]:
    """The bare transforms, the backends, and the exact sum."""
    if x.device.type == "cpu":
        yield Entry("bare complex64 FINUFFT, type 1 and type 2", bare_pair(case, x))
    for backend in BACKENDS:
        yield Entry(f"interflow, {backend}", _field(case, x, x, backend, TOLERANCE))
    rows = x[:EXACT_ROWS]
    yield Entry("interflow, compiled (exact)", _field(case, rows, x, "compiled", None), len(rows) / len(x))


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


def _field(case: Case, rows: Tensor, x: Tensor, backend: str, tolerance: float | None) -> Callable[[], Tensor]:
    kernel, torus = fl.GaussianKernel(case.sigma), _torus()
    return lambda: fl.field(kernel, rows, x, boundary=torus, backend=backend, tolerance=tolerance)


def _rows(case: Case, size: int, device: torch.device) -> Iterator[list[str]]:
    x = cloud(case, size).to(device)
    measurements = compare(entries(case, x), device)
    rows = x[torch.linspace(0, size - 1, min(CHECKED_ROWS, size), device=device).long()]
    reference = references.gaussian_field_of_all_images(rows, x, x.new_full((size,), 1 / size), case.sigma)
    kernel = fl.GaussianKernel(case.sigma)
    told = fl.explain(kernel, x, x, boundary=_torus(), tolerance=TOLERANCE)
    predictions = {f"interflow, {candidate.name}": candidate.seconds for candidate in told.candidates}
    for measurement in measurements:
        yield [
            count(size),
            str(case.dimension),
            f"{case.sigma:g}",
            case.points,
            name(measurement),
            error(_error(measurement, reference, size)),
            number(measurement.seconds),
            ratio(measurement.seconds, measurements[0].seconds),
            ratio(predictions.get(measurement.entry.name, float("nan")), measurement.seconds) or NOTHING,
        ]


def _error(measurement: Measurement[Tensor | None], reference: Tensor, size: int) -> float | None:
    result = measurement.result
    if result is None or len(result) < size:
        return None
    return relative_error(result[torch.linspace(0, size - 1, len(reference), device=result.device).long()], reference)
