"""What do the losses, the rollouts and the test cost in a training loop, beside what is commonly written there?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

import interflow as fl
from benchmarks.measure import SAMPLES, Entry, Measurement, compare, relative_error
from benchmarks.tables import NOTHING, Table, error, name, number, ratio
from interflow.rollout import Gradient

SIZES = (512,)
STEPS, PERMUTATIONS = 200, 1000
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Task:
    """A question of the table: several ways to compute one tensor, the peer first."""

    title: str
    entries: Sequence[Entry[Tensor]]
    exact: Tensor | None = None
    graph_bytes: Sequence[int] = ()
    samples: int = SAMPLES


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """The tasks, made smaller or larger with the first batch; each is measured before the next one is made."""
    headers = ("what", "how", "seconds", "times as fast", "MB", "error")
    note = (
        "`MB` is the peak of memory above that before the call; for rollouts what the graph holds, counted as it is "
        "saved (of `checkpoint`, with the segment that the backward pass is in). `error` is that of the gradient "
        "relative to float64."
    )
    return Table("In training loops: float32", note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        for make in (_wide, _wide_and_large, _usual, _small_clouds, _rollout, _two_sample):
            task = make(size, device)
            measurements = compare(task.entries, device, task.samples)
            for index, measurement in enumerate(measurements):
                yield _row(task, index, measurement, measurements[0])


def _row(task: Task, index: int, measurement: Measurement[Tensor], peer: Measurement[Tensor]) -> list[str]:
    found = measurement.result
    inexact = None if found is None or task.exact is None else relative_error(found, task.exact)
    used = task.graph_bytes[index] if task.graph_bytes else measurement.peak
    megabytes = NOTHING if used is None else number(used / 1e6)
    seconds = [number(measurement.seconds), ratio(peer.seconds, measurement.seconds)]
    return [task.title, name(measurement), *seconds, megabytes, error(inexact)]


# --- losses -----------------------------------------------------------------------------------------------------------


def _wide(size: int, device: torch.device) -> Task:
    return _loss_task(size, 784, device, [("pasted MMD_loss", _pasted), ("torch.cdist", _by_cdist)])


def _wide_and_large(size: int, device: torch.device) -> Task:
    return _loss_task(8 * size, 784, device, [("torch.cdist", _by_cdist)])


def _usual(size: int, device: torch.device) -> Task:
    return replace(_loss_task(size // 4, 64, device, [("torch.cdist", _by_cdist)]), samples=100)


Loss = Callable[..., Tensor]


def _loss_task(count: int, dimension: int, device: torch.device, peers: Sequence[tuple[str, Loss]]) -> Task:
    generator = torch.Generator().manual_seed(count)
    x, y = (torch.randn(count, dimension, generator=generator).to(device) for _ in range(2))
    sigmas = [factor * (2.0 * dimension) ** 0.5 for factor in FACTORS]
    loss = fl.MMD(_mixture(sigmas))
    entries = [Entry(title, _gradient_of(partial(peer, sigmas=sigmas), x, y)) for title, peer in peers]
    entries.append(Entry("interflow", _gradient_of(loss, x, y)))
    exact = _gradient_of(lambda x, y: _by_cdist(x, y, sigmas), x.double(), y.double())()
    return Task(f"MMD and its gradient, batch {count}, d = {dimension}, five bandwidths", entries, exact)


def _gradient_of(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        leaf = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf, y), leaf)
        return gradient

    return call


def _mixture(sigmas: Sequence[float]) -> fl.Kernel:
    first, *others = (fl.GaussianKernel(sigma) for sigma in sigmas)
    total: fl.Kernel = first
    for other in others:
        total = total + other
    return total


def _pasted(x: Tensor, y: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The loss that is pasted from one training script into another: all differences, then one exponential each."""
    total, n = torch.cat([x, y]), len(x)
    shape = (len(total), len(total), total.shape[1])
    squares = ((total[None].expand(shape) - total[:, None].expand(shape)) ** 2).sum(2)
    kernels = [torch.exp(-squares / (2.0 * sigma**2)) for sigma in sigmas]
    matrix = torch.stack(kernels).sum(0)
    return (matrix[:n, :n] + matrix[n:, n:] - matrix[:n, n:] - matrix[n:, :n]).mean()


def _by_cdist(x: Tensor, y: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The same from matrices of distances."""

    def mean(a: Tensor, b: Tensor) -> Tensor:
        squares = torch.cdist(a, b).square()
        return torch.stack([torch.exp(-squares / (2.0 * sigma**2)).mean() for sigma in sigmas]).sum()

    return mean(x, x) + mean(y, y) - 2.0 * mean(x, y)


def _small_clouds(size: int, device: torch.device) -> Task:
    batch = max(1, 1000 * size // 512)
    generator = torch.Generator().manual_seed(size)
    x, y = (torch.rand(batch, 64, 3, generator=generator).to(device) for _ in range(2))
    together, alone = (fl.MMD(fl.GaussianKernel(0.3), reduction=reduction) for reduction in ("sum", "none"))

    def looped(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([alone(one, other) for one, other in zip(x, y, strict=True)]).sum()

    entries = [Entry("a Python loop", _gradient_of(looped, x, y)), Entry("one batch", _gradient_of(together, x, y))]
    return Task(f"MMD and its gradient, {batch} clouds of 64 points, d = 3", entries)


# --- rollouts and tests -----------------------------------------------------------------------------------------------


def _rollout(size: int, device: torch.device) -> Task:
    count = max(2, 2000 * size // 512)
    kernel = fl.GaussianKernel(0.1, learnable=True)
    energy = -2.0 * fl.InteractionEnergy(kernel, boundary=fl.PeriodicBoundary(1.0))
    start = torch.rand(count, 2, generator=torch.Generator().manual_seed(size)).to(device)
    system = fl.ParticleSystem(start, energy=energy.to(device), integrator=fl.Euler(1 / 200))

    def call(gradient: Gradient, steps: int = STEPS) -> Tensor:
        loss = system.rollout(steps, gradient=gradient).final.positions.square().sum()
        return torch.stack(torch.autograd.grad(loss, list(kernel.parameters())))

    entries = [Entry("full", lambda: call("full")), Entry("checkpoint", lambda: call("checkpoint"))]
    segment = graph_bytes(lambda: call("full", math.isqrt(STEPS - 1) + 1))
    held = [graph_bytes(lambda: call("full")), graph_bytes(lambda: call("checkpoint")) + segment]
    return Task(f"gradient through {STEPS} steps, N = {count}", entries, graph_bytes=held)


def graph_bytes(call: Callable[[], object]) -> int:
    """The most that graphs hold during a call, each piece of memory once, counted by the hooks of what is saved."""
    uses: Counter[int] = Counter()
    now = most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal now, most
            self.tensor, self.memory = tensor, tensor.untyped_storage()
            if uses[self.memory.data_ptr()] == 0:
                now += self.memory.nbytes()
                most = max(most, now)
            uses[self.memory.data_ptr()] += 1

        def __del__(self) -> None:
            nonlocal now
            uses[self.memory.data_ptr()] -= 1
            if uses[self.memory.data_ptr()] == 0:
                now -= self.memory.nbytes()

    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        call()
    return most


def _two_sample(size: int, device: torch.device) -> Task:
    count = max(2, 2000 * size // 512)
    generator = torch.Generator().manual_seed(size)
    x, y = (torch.randn(count, 2, generator=generator).to(device) for _ in range(2))
    kernel = fl.GaussianKernel(1.0)

    def call() -> Tensor:
        return fl.two_sample_test(x, y, kernel, permutations=PERMUTATIONS).permuted

    return Task(f"two-sample test, N = M = {count}, {PERMUTATIONS} permutations", [Entry("interflow", call)])
