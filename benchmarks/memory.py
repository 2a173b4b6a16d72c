"""How much memory does a field need, its gradients included? The setting of `benchmarks.field`, at a large N."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.field import CHECKED_ROWS, SIGMA
from benchmarks.measure import peak_memory, relative_error
from benchmarks.tables import Table, count, error, megabytes

SIZES = (100_000,)
WARM_UP = 2_000
BACKENDS = ("dense", "compiled", "keops")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and backend."""
    headers = ("N", "how", "peak MB", "error")
    note = (
        "One call is the field `∇u` of x on itself and the gradient of `Σᵢ ⟨cᵢ, ∇uᵢ⟩` in x. `peak MB` is the highest "
        f"resident memory above that of the same process after a call with {count(WARM_UP)} points; `error` is that of "
        "the gradient, relative to float64."
    )
    title = "Memory of a field with its gradients: Gaussian kernel, unit torus, d = 2, float32"
    return Table(title, note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        x, c = (torch.rand(size, 2, generator=generator).to(device) for _ in range(2))
        checked = slice(CHECKED_ROWS)
        mass = x.new_full((size,), 1 / size)
        reference = references.gaussian_hessian(x[checked], x, mass, SIGMA, c[checked], c)
        for backend in BACKENDS:
            print(f"  interflow, {backend}", file=sys.stderr, flush=True)
            peak, gradient = _measured(x, c, backend)
            inexact = relative_error(gradient, reference)
            yield [count(size), f"interflow, {backend}", megabytes(peak), error(inexact)]


def _measured(x: Tensor, c: Tensor, backend: str) -> tuple[int | None, Tensor]:
    """The peak of a call, and what it gave; a small one before it compiles."""
    _gradient(x[:WARM_UP], c[:WARM_UP], backend)
    found: list[Tensor] = []
    peak = peak_memory(lambda: found.append(_gradient(x, c, backend)), x.device)
    return peak, found[0]


def _gradient(x: Tensor, c: Tensor, backend: str) -> Tensor:
    kernel, torus = fl.GaussianKernel(sigma=SIGMA), fl.PeriodicBoundary(1.0)
    leaf = x.detach().requires_grad_()
    forces = fl.field(kernel, leaf, leaf, boundary=torus, backend=backend)
    (gradient,) = torch.autograd.grad(forces, [leaf], [c])
    return gradient
