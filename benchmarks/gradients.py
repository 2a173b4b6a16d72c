"""What do derivatives cost? The gradients of a potential and of a field in both clouds, against computing it.

``L = Σᵢ cᵢ uᵢ`` of a potential, and ``L = Σᵢ ⟨cᵢ, ∇uᵢ⟩`` of a field, whose gradients hold second derivatives of the
kernel. The setting is that of `benchmarks.field`, with ``y`` a second cloud of as many points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.field import CHECKED_ROWS, SIGMA
from benchmarks.measure import Entry, Measurement, compare, relative_error
from benchmarks.tables import Table, count, error, megabytes, name, number, ratio, tenths

SIZES = (10_000,)
BACKENDS = ("dense", "compiled", "keops")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """Two rows for each size, backend and sum: the sum, and its gradients."""
    headers = ("N = M", "what", "error", "seconds", "times its sum", "compile seconds", "peak MB")
    note = "`error` is relative to float64 in the 2-norm, of both gradients together."
    title = "Gradients in x and y: Gaussian kernel, unit torus, d = 2, float32"
    return Table(title, note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        x, y, c = (torch.rand(size, 2, generator=generator).to(device) for _ in range(3))
        for sum_name, pair_sum, cotangent, expected in (
            ("potential", fl.potential, c[:, 0], _potential(x, y, c[:, 0])),
            ("field", fl.field, c, _field(x, y, c)),
        ):
            for backend in BACKENDS:
                entries = _forward_and_gradients(f"{sum_name}, {backend}", pair_sum, x, y, cotangent, backend)
                forward, gradients = compare(entries, device)
                for measurement, wanted in zip((forward, gradients), expected, strict=True):
                    yield _row(size, measurement, forward, wanted)


def _forward_and_gradients(
    label: str, pair_sum: Callable[..., Tensor], x: Tensor, y: Tensor, cotangent: Tensor, backend: str
) -> Iterator[Entry[list[Tensor]]]:
    kernel, torus = fl.GaussianKernel(sigma=SIGMA), fl.PeriodicBoundary(1.0)
    leaves = [x.clone().requires_grad_(), y.clone().requires_grad_()]
    graph: list[Tensor] = []

    def forward() -> list[Tensor]:
        graph[:] = [pair_sum(kernel, *leaves, boundary=torus, backend=backend)]
        return [graph[0].detach()[:CHECKED_ROWS]]

    def gradients() -> list[Tensor]:
        both = torch.autograd.grad(graph, leaves, [cotangent], retain_graph=True)
        return [gradient[:CHECKED_ROWS] for gradient in both]

    yield Entry(label, forward)
    yield Entry(f"{label}: gradients in x and y", gradients)


def _potential(x: Tensor, y: Tensor, c: Tensor) -> list[list[Tensor]]:
    """The float64 values of ``u``, and of ``∂L/∂xᵢ = cᵢ ∇uᵢ`` and ``∂L/∂yⱼ = (1/M) Σᵢ cᵢ ∇k``."""
    rows, mass = slice(CHECKED_ROWS), x.new_full((len(y),), 1 / len(y), dtype=torch.float64)
    by_x = c[rows, None] * references.gaussian_field(x[rows], y, mass, SIGMA)
    by_y = references.gaussian_field(y[rows], x, c / len(y), SIGMA)
    return [[references.gaussian_potential(x[rows], y, mass, SIGMA)], [by_x, by_y]]


def _field(x: Tensor, y: Tensor, c: Tensor) -> list[list[Tensor]]:
    """The float64 values of ``∇u``, and of ``∂L/∂xᵢ = (1/M) Σⱼ H cᵢ`` and ``∂L/∂yⱼ = −(1/M) Σᵢ H cᵢ``."""
    rows, mass = slice(CHECKED_ROWS), x.new_full((len(y),), 1 / len(y), dtype=torch.float64)
    nothing = torch.zeros_like(c)
    by_x = references.gaussian_hessian(x[rows], y, mass, SIGMA, c[rows], nothing)
    by_y = references.gaussian_hessian(y[rows], x, mass, SIGMA, nothing[rows], c)
    return [[references.gaussian_field(x[rows], y, mass, SIGMA)], [by_x, by_y]]


def _row(
    size: int, measurement: Measurement[list[Tensor]], forward: Measurement[list[Tensor]], wanted: list[Tensor]
) -> list[str]:
    found = measurement.result
    return [
        count(size),
        name(measurement),
        error(None if found is None else relative_error(torch.cat(found), torch.cat(wanted))),
        number(measurement.seconds),
        ratio(measurement.seconds, forward.seconds),
        tenths(measurement.compile_seconds),
        megabytes(measurement.peak),
    ]
