"""How much memory does a field need, its gradients included? The setting of `benchmarks.field`, at a large N."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.field import CHECKED_ROWS, SIGMA
from benchmarks.measure import Entry, compare, relative_error
from benchmarks.tables import Table, count, error, megabytes, name, number, tenths

SIZES = (100_000,)
BACKENDS = ("dense", "compiled", "keops")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and backend."""
    rows = []
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        x, c = (torch.rand(size, 2, generator=generator).to(device) for _ in range(2))
        checked = slice(CHECKED_ROWS)
        mass = x.new_full((size,), 1 / size)
        reference = references.gaussian_hessian(x[checked], x, mass, SIGMA, c[checked], c)
        for measurement in compare([_entry(x, c, backend) for backend in BACKENDS], device):
            found = measurement.result
            inexact = None if found is None else relative_error(found, reference)
            times = [number(measurement.seconds), tenths(measurement.compile_seconds)]
            rows.append([count(size), name(measurement), megabytes(measurement.peak), error(inexact), *times])
    headers = ("N", "how", "peak MB", "error", "seconds", "compile seconds")
    note = (
        "One call is the field `∇u` of x on itself and the gradient of `Σᵢ ⟨cᵢ, ∇uᵢ⟩` in x. `peak MB` is the highest "
        "resident memory above that of the same process after a first call; `error` is that of the gradient, relative "
        "to float64."
    )
    return Table(
        "Memory of a field with its gradients: Gaussian kernel, unit torus, d = 2, float32", note, headers, rows
    )


def _entry(x: Tensor, c: Tensor, backend: str) -> Entry[Tensor]:
    kernel, torus = fl.GaussianKernel(sigma=SIGMA), fl.PeriodicBoundary(1.0)

    def call() -> Tensor:
        leaf = x.detach().requires_grad_()
        forces = fl.field(kernel, leaf, leaf, boundary=torus, backend=backend)
        (gradient,) = torch.autograd.grad(forces, [leaf], [c])
        return gradient

    return Entry(f"interflow, {backend}", call)
