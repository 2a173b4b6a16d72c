"""What interflow is measured against: plain PyTorch, KeOps and GeomLoss, each as its users write it.

A peer that cannot do the whole problem in memory or in a minute does a part of it: some rows of a field, or a smaller
energy distance. Its entry then says so in its name, and its time is scaled up by the pairs left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import Entry
from benchmarks.tables import count

ValueAndGradient = tuple[Tensor, Tensor]

PAIRS_IN_MEMORY = 100_000_000
LAZY_PAIRS = {"cpu": 200_000_000, "cuda": 10**13}
LOSS_PAIRS = {"cpu": 1_000_000_000, "cuda": 10**13}


# The field ∇u of the Gaussian kernel on the unit torus, weights 1/N.


def plain_field(x: Tensor, sigma: float) -> Entry[Tensor]:
    """The formula as one writes it in PyTorch, with ``(N, N, d)`` tensors."""
    rows = x[: rows_within(PAIRS_IN_MEMORY, x)]
    return of_rows("plain PyTorch, (N, N, d) tensors", lambda: plain_gaussian_field(rows, x, sigma), rows, x)


def plain_gaussian_field(rows: Tensor, x: Tensor, sigma: float) -> Tensor:
    """``−(1/Nσ²) Σⱼ exp(−r²/2σ²) δ``, by ``(R, N, d)`` tensors."""
    squared_distances = torch.sum(_remainder(rows[:, None, :] - x[None, :, :]) ** 2, dim=2)
    profile = torch.exp(-squared_distances / (2 * sigma**2))
    pulls = profile[:, :, None] * _remainder(rows[:, None, :] - x[None, :, :])
    return -torch.sum(pulls, dim=1) / (len(x) * sigma**2)


def keops_lazy_field(x: Tensor, sigma: float) -> Entry[Tensor]:
    """KeOps lazy tensors and autograd of the sum of all pairs: three reductions."""
    rows = x[: rows_within(LAZY_PAIRS[x.device.type], x)]
    return of_rows("KeOps, lazy tensors and autograd", lambda: lazy_gaussian_field(rows, x, sigma), rows, x)


def lazy_gaussian_field(rows: Tensor, x: Tensor, sigma: float) -> Tensor:
    """Half of the gradient of ``(1/N) Σᵢⱼ exp(−r²/2σ²)``, which is the field since the kernel is symmetric."""
    from pykeops.torch import Vi, Vj

    rows, columns = rows.detach().requires_grad_(), x.detach().requires_grad_()
    displacement = (Vi(rows) - Vj(columns) - 0.5).mod(1.0) - 0.5
    profile = (-(displacement**2).sum(dim=2) / (2 * sigma**2)).exp()
    total = profile.sum(dim=1).sum() / len(x)
    by_rows, by_columns = torch.autograd.grad(total, [rows, columns])
    whole = len(rows) == len(x)
    return (by_rows + by_columns) / 2 if whole else by_rows


def keops_fused_field(x: Tensor, sigma: float) -> Entry[Tensor]:
    """KeOps with one hand-written formula: one reduction."""
    from pykeops.torch import Genred

    delta = "(x - y - Round(x - y, 0))"
    formula = f"Exp(c * SqNorm2({delta})) * {delta}"
    dimension = x.shape[1]
    reduction = Genred(formula, [f"x = Vi({dimension})", f"y = Vj({dimension})", "c = Pm(1)"], "Sum", axis=1)
    rate = x.new_tensor([-1 / (2 * sigma**2)])
    scale = -1 / (len(x) * sigma**2)
    rows = x[: rows_within(LAZY_PAIRS[x.device.type], x)]
    return of_rows("KeOps, one hand-written formula", lambda: reduction(rows, x, rate) * scale, rows, x)


# The energy distance and its gradient in x, weights 1/N and 1/M.


def plain_energy_distance(x: Tensor, y: Tensor) -> Entry[ValueAndGradient]:
    """The formula as one writes it in PyTorch; its gradient is NaN, since √ has none at the distance of x to itself."""

    def mean_distance(a: Tensor, b: Tensor) -> Tensor:
        return torch.sqrt(torch.sum((a[:, None, :] - b[None, :, :]) ** 2, dim=2)).mean()

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)

    return _of_points("plain PyTorch, (N, M, d) tensors", loss, x, y, PAIRS_IN_MEMORY)


def geomloss_energy_distance(x: Tensor, y: Tensor, backend: str) -> Entry[ValueAndGradient]:
    """GeomLoss, which returns one half."""
    from geomloss import SamplesLoss

    half = SamplesLoss("energy", backend=backend)
    pairs = PAIRS_IN_MEMORY if backend == "tensorized" else LOSS_PAIRS[x.device.type]
    return _of_points(f"GeomLoss, {backend}", lambda a, b: 2 * half(a, b), x, y, pairs)


def keops_fused_energy_distance(x: Tensor, y: Tensor) -> Entry[ValueAndGradient]:
    """KeOps with hand-written formulas: three reductions, of which two give value and gradient together."""
    from pykeops.torch import Genred

    dimension = x.shape[1]
    aliases = [f"x = Vi({dimension})", f"y = Vj({dimension})"]
    inverse = "Rsqrt(SqDist(x, y))"
    both = Genred(f"Concat(SqDist(x, y) * {inverse}, (x - y) * {inverse})", aliases, "Sum", axis=1)
    distance = Genred(f"SqDist(x, y) * {inverse}", aliases, "Sum", axis=1)
    points = _points_within(LOSS_PAIRS[x.device.type], x)
    a, b, share = part(x, y, points)

    def call() -> ValueAndGradient:
        n, m = len(a), len(b)
        own, other, target = both(a, a), both(a, b), distance(b, b)
        value = 2 * other[:, 0].sum() / (n * m) - own[:, 0].sum() / n**2 - target.sum() / m**2
        return value, 2 * (other[:, 1:] / m - own[:, 1:] / n) / n

    return Entry(_part_name("KeOps, hand-written formulas", points, x), call, share)


def value_and_gradient(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> ValueAndGradient:
    """A loss between two clouds, and its gradient in the first."""
    x = x.detach().requires_grad_()
    value = loss(x, y)
    (gradient,) = torch.autograd.grad(value, [x])
    return value.detach(), gradient


def _remainder(difference: Tensor) -> Tensor:
    return torch.remainder(difference - 0.5, 1.0) - 0.5


def rows_within(pairs: int, x: Tensor) -> int:
    """How many rows against all columns stay within a number of pairs."""
    return max(1, min(len(x), pairs // len(x)))


def of_rows(name: str, call: Callable[[], Tensor], rows: Tensor, x: Tensor) -> Entry[Tensor]:
    """An entry that does some of the rows, and says so."""
    if len(rows) == len(x):
        return Entry(name, call)
    return Entry(f"{name} (timed on {count(len(rows))} rows)", call, len(rows) / len(x))


def _points_within(pairs: int, x: Tensor) -> int:
    return min(len(x), int(pairs**0.5))


def part(x: Tensor, y: Tensor, points: int) -> tuple[Tensor, Tensor, float]:
    """The first points of both clouds, in the same proportion, and their share of the pairs."""
    share = points / len(x)
    return x[:points], y[: round(share * len(y))], share**2


def _part_name(name: str, points: int, x: Tensor) -> str:
    return name if points == len(x) else f"{name} (timed on N = {count(points)})"


def _of_points(
    name: str, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, pairs: int
) -> Entry[ValueAndGradient]:
    points = _points_within(pairs, x)
    a, b, share = part(x, y, points)
    return Entry(_part_name(name, points, x), lambda: value_and_gradient(loss, a, b), share)
