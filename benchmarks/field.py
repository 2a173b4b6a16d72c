"""How long does the velocity field of the tour take? The Gaussian kernel, σ = 0.1, on the unit torus, d = 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks import peers, references
from benchmarks.measure import Entry, Measurement, compare, relative_error
from benchmarks.tables import MEASURED, NOTHING, Table, count, error, measured, name, number

SIZES = (1_000, 10_000, 100_000)
SIGMA = 0.1
BACKENDS = ("dense", "compiled", "keops", "auto")
CHECKED_ROWS = 2_000
INSTRUCTIONS_A_PAIR = 15  # on the torus, d = 2: 128 a clock on each multiprocessor of a Hopper card at 1.98 GHz
INSTRUCTIONS_A_SECOND = 128 * 1.98e9


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and each way."""
    return table_of(entries, sizes, device, "Velocity field: Gaussian kernel, σ = 0.1, unit torus, d = 2, float32")


def table_of(
    ways: Callable[[Tensor], Iterator[Entry[Tensor]]], sizes: Sequence[int], device: torch.device, title: str
) -> Table:
    """The same for any ways to compute that field; the first is what the others are compared with."""
    note = (
        "`error` is relative to float64 in the 2-norm"
        + (f", over the first {count(CHECKED_ROWS)} of the random points." if max(sizes) > CHECKED_ROWS else ".")
        + " `times as fast` compares with plain PyTorch."
    )
    headers = ("N", "how", "error", *MEASURED, *(("pairs/s", "% of bound") if device.type == "cuda" else ()))
    return Table(title, note, headers, _rows(ways, sizes, device))


def _rows(
    ways: Callable[[Tensor], Iterator[Entry[Tensor]]], sizes: Sequence[int], device: torch.device
) -> Iterator[list[str]]:
    for size in sizes:
        x = torch.rand(size, 2, generator=torch.Generator().manual_seed(size)).to(device)
        measurements = compare(ways(x), device)
        weights = x.new_full((size,), 1 / size)
        reference = references.gaussian_field(x[:CHECKED_ROWS], x, weights, SIGMA)
        yield from (_row(measurement, measurements[0], reference, size, device) for measurement in measurements)


def entries(x: Tensor) -> Iterator[Entry[Tensor]]:
    """The peers, then every backend."""
    yield peers.plain_field(x, SIGMA)
    yield peers.keops_lazy_field(x, SIGMA)
    yield peers.keops_fused_field(x, SIGMA)
    for backend in BACKENDS:
        yield interflow_field(x, backend)


def interflow_field(x: Tensor, backend: str) -> Entry[Tensor]:
    """The same field by interflow."""
    kernel, torus = fl.GaussianKernel(sigma=SIGMA), fl.PeriodicBoundary(1.0)
    pairs = peers.LAZY_PAIRS[x.device.type] if backend == "keops" else len(x) ** 2
    rows = x[: peers.rows_within(pairs, x)]
    return peers.of_rows(
        f"interflow, {backend}", lambda: fl.field(kernel, rows, x, boundary=torus, backend=backend), rows, x
    )


def _row(
    measurement: Measurement[Tensor],
    baseline: Measurement[Tensor],
    reference: Tensor,
    size: int,
    device: torch.device,
) -> list[str]:
    result = measurement.result
    row = [count(size), name(measurement), error(None if result is None else relative_error(result, reference))]
    row += measured(measurement, baseline)
    if device.type == "cuda":
        row += _throughput(size**2 / measurement.seconds, device)
    return row


def _throughput(pairs_a_second: float, device: torch.device) -> list[str]:
    processors = torch.cuda.get_device_properties(device).multi_processor_count
    bound = processors * INSTRUCTIONS_A_SECOND / INSTRUCTIONS_A_PAIR
    known = pairs_a_second == pairs_a_second
    return [f"{pairs_a_second:.1e}", number(100 * pairs_a_second / bound)] if known else [NOTHING, NOTHING]
