"""How long does the kernel inception distance of two sets of features take, and how much memory?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle

import torch
from torch import Tensor

import interflow as fl
from benchmarks.measure import Entry, compare
from benchmarks.tables import MEASURED, Table, count, error, measured, name

SIZES = (2_000,)
FEATURES = 2048


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """Rows for each size: the formula with whole matrices, and the unbiased MMD; values, then gradients."""
    note = (
        f"The unbiased MMD of (⟨x, y⟩/d + 1)³ between N and N features, d = {FEATURES}, float32. `error` is that of "
        "the value, relative to the matrix formula in float64. `times as fast` compares with whole matrices in float32."
    )
    headers = ("N", "how", "error", *MEASURED)
    return Table("Kernel inception distance (KID)", note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    loss = fl.MMD(fl.PolynomialKernel(3, scale=1 / FEATURES, offset=1.0), estimator="unbiased")
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        x, y = (torch.randn(size, FEATURES, generator=generator).add_(s).relu_().to(device) for s in (0.0, 0.1))
        exact = float(by_matrices(x.double(), y.double()))
        for ending, call in (("", _value), (", with the gradient", _with_gradient)):
            targets = cycle([y.roll(shift, dims=0) for shift in range(3)])  # more than are kept
            measurements = compare(
                [
                    Entry(f"whole matrices{ending}", partial(call, by_matrices, x, targets)),
                    Entry(f"interflow{ending}", partial(call, loss, x, targets)),
                ],
                device,
            )
            for found in measurements:
                gap = None if found.result is None else abs(found.result - exact) / abs(exact)
                yield [count(size), name(found), error(gap), *measured(found, measurements[0])]


def _value(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, targets: Iterator[Tensor]) -> float:
    return float(loss(x, next(targets)))


def _with_gradient(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, targets: Iterator[Tensor]) -> float:
    x = x.detach().requires_grad_()
    value = loss(x, next(targets))
    torch.autograd.grad(value, x)
    return float(value.detach())


def by_matrices(x: Tensor, y: Tensor) -> Tensor:
    """The formula of Bińkowski, Sutherland, Arbel and Gretton (2018), as it is written."""
    n, m, d = len(x), len(y), x.shape[1]
    within_x, within_y, across = ((a @ b.T / d + 1.0) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    first = (within_x.sum() - within_x.diagonal().sum()) / (n * (n - 1))
    second = (within_y.sum() - within_y.diagonal().sum()) / (m * (m - 1))
    return first + second - 2.0 * across.mean()
