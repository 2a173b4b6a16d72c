"""How well do the backends know what they cost? The prediction by which `auto` chooses, beside the seconds measured.

A field with its potential, of a Gaussian kernel on the unit torus, and of the distance on a line for sorted points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks.measure import Entry, Measurement, compare
from benchmarks.tables import Table, count, name, number, ratio

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TOLERANCE = 1e-5
SIGMA = 0.05
MOST_PAIRS = 500_000_000
"""Pairs that an exact backend is timed on; for more, some of the points stand for all."""


class Case:
    """A sum that a backend is asked for.

    Args:
        backend: its name.
        size: N.
        device: where the points are.
    """

    def __init__(self, backend: str, size: int, device: torch.device) -> None:
        on_a_line = backend == "sorted"
        self.backend = backend
        self.exact = backend in ("dense", "compiled", "keops")
        self.kernel: fl.Kernel = fl.DistanceKernel() if on_a_line else fl.GaussianKernel(SIGMA)
        self.boundary: fl.Boundary = fl.OpenBoundary() if on_a_line else fl.PeriodicBoundary(1.0, images="all")
        generator = torch.Generator().manual_seed(size)
        self.points = torch.rand(size, 1 if on_a_line else 2, generator=generator).to(device)

    def predicted(self) -> float:
        """Seconds for one sum."""
        told = fl.explain(self.kernel, self.points, self.points, boundary=self.boundary, tolerance=TOLERANCE)
        return next(candidate.run_seconds for candidate in told.candidates if candidate.name == self.backend)

    def entry(self) -> Entry[tuple[Tensor, Tensor]]:
        """The sum, or a part of it."""
        columns = self.points
        rows = columns[: max(1, MOST_PAIRS // len(columns))] if self.exact else columns
        tolerance = None if self.exact or self.backend == "sorted" else TOLERANCE

        def call() -> tuple[Tensor, Tensor]:
            options = {"boundary": self.boundary, "backend": self.backend, "tolerance": tolerance}
            return fl.potential_and_field(self.kernel, rows, columns, **options)  # type: ignore[arg-type]

        return Entry(self.backend, call, len(rows) / len(columns))


BACKENDS = ("dense", "compiled", "keops", "fourier", "nufft", "sorted")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row a size, one column a backend."""
    rows = (_row(size, device) for size in sizes)
    note = (
        f"Potential and field, float32, tolerance {TOLERANCE:g} for `fourier` and `nufft`: a Gaussian kernel of σ = "
        f"{SIGMA:g} on the unit torus, d = 2; for `sorted` the distance, d = 1. A cell is the seconds measured, then "
        f"the prediction over these. Of over {count(MOST_PAIRS)} pairs some are timed and scaled."
    )
    return Table("Predicted costs", note, ("N", *BACKENDS), rows)


def _row(size: int, device: torch.device) -> list[str]:
    cases = [Case(backend, size, device) for backend in BACKENDS]
    measurements = compare((case.entry() for case in cases), device)
    return [count(size), *_cells(cases, measurements)]


def _cells(cases: Sequence[Case], measurements: Sequence[Measurement[tuple[Tensor, Tensor]]]) -> Iterator[str]:
    for case, measurement in zip(cases, measurements, strict=True):
        if measurement.failure is not None:
            yield name(measurement)
        else:
            yield f"{number(measurement.seconds)}, × {ratio(case.predicted(), measurement.seconds)}"
