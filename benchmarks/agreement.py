"""Do the closed form, autograd and KeOps agree? The velocity of ``−2 E`` for the Gaussian interaction energy E."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import interflow as fl
from benchmarks import references
from benchmarks.field import CHECKED_ROWS, SIGMA
from benchmarks.measure import relative_error
from benchmarks.peers import plain_gaussian_field
from benchmarks.tables import Table, count, error

SIZES = (10_000,)
BACKENDS = ("dense", "compiled", "keops")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size, backend and way to the velocity."""
    rows = []
    for size in sizes:
        x = torch.rand(size, 2, generator=torch.Generator().manual_seed(size)).to(device)
        closed_form = 2 * plain_gaussian_field(x, x, SIGMA)
        mass = x.new_full((size,), 1 / size)
        exact = 2 * references.gaussian_field(x[:CHECKED_ROWS], x, mass, SIGMA)
        found = {"plain PyTorch, the closed form": closed_form, **_velocities(x)}
        rows += [
            [count(size), way, error(relative_error(velocity, closed_form)), error(relative_error(velocity, exact))]
            for way, velocity in found.items()
        ]
    headers = ("N", "how", "difference from the closed form", "error")
    note = "Relative, in the 2-norm; `error` is against float64."
    return Table("Agreement: velocity of the tour, float32", note, headers, rows)


def _velocities(x: Tensor) -> dict[str, Tensor]:
    ways: dict[str, Callable[[fl.Energy, Tensor], Tensor]] = {
        "velocity": lambda energy, x: energy.velocity(x),
        "autograd of the energy": _by_autograd,
    }
    return {f"interflow, {backend}: {way}": of(_energy(backend), x) for backend in BACKENDS for way, of in ways.items()}


def _energy(backend: str) -> fl.Energy:
    torus = fl.PeriodicBoundary(1.0)
    attraction: fl.Energy = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(sigma=SIGMA), boundary=torus, backend=backend)
    return attraction


def _by_autograd(energy: fl.Energy, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(x), [x])
    return -len(x) * gradient
