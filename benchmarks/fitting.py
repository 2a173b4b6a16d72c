"""How well does a fit represent its target? 2 000 points to 20 000 samples of a mixture in the plane, beside its peers.

This is the table that decided the defaults: the discrepancy, the integrator, and the number of steps.

The figures of points are ratios: sliced W₂ to 200 000 held-out samples over that of the 20 000 targets themselves; W₂
to 5 000 of them and the squared energy distance to the target over those of independent samples, as many as are fitted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import torch
from torch import Tensor

import interflow as fl
from benchmarks.tables import Table, count, number
from interflow.fitting.descent import Loss
from interflow.fitting.evaluation import exact_w2, sliced_w2

SIZES = (2_000,)
DRAWS = 20
TARGETS, HELD_OUT, EXACT = 10, 100, 5_000
CENTRES = ((0.0, 0.0), (3.0, 1.0), (-2.0, 2.5), (1.0, -3.0))
SPREADS = (0.3, 0.8, 0.5, 0.15)
HEADERS = ("way", "draws", "seconds", "sliced W₂ / floor", "W₂ / sample's", "energy distance / sample's")

Fitter = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Problem:
    """A draw of the mixture."""

    target: Tensor
    held_out: Tensor
    sample: Tensor
    seed: int

    @classmethod
    def draw(cls, size: int, seed: int, device: torch.device) -> Problem:
        """Targets, held-out samples and an independent sample."""
        generator = torch.Generator().manual_seed(seed)
        counts = (TARGETS * size, HELD_OUT * size, size)
        target, held_out, sample = (mixture(number, generator).to(device) for number in counts)
        return cls(target, held_out, sample, seed)

    @cached_property
    def floor(self) -> float:
        """Squared sliced W₂ of the targets to the held-out samples."""
        return sliced_w2(self.target, self.held_out) ** 2

    @cached_property
    def of_sample(self) -> tuple[float, float]:
        """Squared W₂ and energy distance of the independent sample."""
        return self.squared_w2(self.sample), self.energy(self.sample)

    def squared_w2(self, points: Tensor) -> float:
        """To some of the held-out samples."""
        return (exact_w2(points, self.held_out[:EXACT]) or math.nan) ** 2

    @cached_property
    def loss(self) -> Loss:
        """The energy distance to the targets, whose own part is summed once."""
        return Loss(fl.EnergyDistance(), self.target, None)

    def energy(self, points: Tensor) -> float:
        """The energy distance to the targets."""
        return self.loss(points, points.new_full((len(points),), 1.0 / len(points)))


def mixture(points: int, generator: torch.Generator) -> Tensor:
    """Samples of four normal laws, of equal weight and different widths."""
    which = torch.randint(len(SPREADS), (points,), generator=generator)
    noise = torch.randn(points, 2, generator=generator)
    return torch.tensor(CENTRES)[which] + torch.tensor(SPREADS)[which, None] * noise


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each size and each way."""
    rows = (row for size in sizes for row in _rows(size, device))
    note = (
        f"Of {count(DRAWS)} draws the first 1, the first 3, or all; rows of as many compare. Ratios of root mean "
        f"squares over them; the floor is the distance of the {TARGETS} targets a point to the held-out samples."
    )
    return Table("Fitting a mixture in the plane", note, HEADERS, rows)


def _rows(size: int, device: torch.device) -> Iterator[list[str]]:
    problems = [Problem.draw(size, seed, device) for seed in range(DRAWS)]
    for name, fitter, draws in ways():
        fitter(problems[0].target[:500], 50)  # compiles
        yield [f"{name}, N = {count(size)}", str(draws), *_measured(fitter, problems[:draws])]


def ways() -> Iterator[tuple[str, Fitter, int]]:
    """What is compared, and on how many draws: a plain sample, ways to descend, and Adam on GeomLoss."""
    yield "random points of the target", _sampled, DRAWS
    for draws in (DRAWS, 3, 1):  # what the rows with as many are to be compared with
        yield "interflow, default", lambda target, size: fl.fit(size, target).positions, draws
    for steps in (30, 100):
        yield f"interflow, {steps} steps", _with_steps(steps), 3
    yield "interflow, from the box, 100 steps", lambda y, size: fl.fit(size, y, init="box", steps=100).positions, 3
    for name, integrator in integrators():
        yield name, _with(integrator), 3
    for name, discrepancy, ladder, steps in discrepancies():
        yield f"{name}, {steps} steps", _with_discrepancy(discrepancy, ladder, steps), 1
    yield "Adam on GeomLoss `energy`, online, 100 steps", geomloss_adam, 1


def integrators() -> Iterator[tuple[str, fl.Integrator]]:
    """The alternatives to the default, each with the best step size of a few."""
    yield "plain descent, h = 0.3, 60 steps", fl.Euler(step_size=0.3)
    yield "momentum, h = 0.5, γ = 1, 60 steps", fl.Momentum(step_size=0.5, friction=1.0)
    yield "adam, rate 0.1, 60 steps", fl.NamedOptimizer("adam", learning_rate=0.1)


def discrepancies() -> Iterator[tuple[str, fl.Discrepancy, tuple[float, ...], int]]:
    """The alternatives to the energy distance, with the default integrator."""
    yield "MMD, Gaussian kernel, σ = 0.1", fl.MMD(fl.GaussianKernel(sigma=0.1)), (), 60
    yield "MMD, Gaussian kernel, σ = 0.8 to 0.1", fl.MMD(fl.GaussianKernel(sigma=0.1)), (8, 4, 2, 1), 60
    yield "MMD, Laplacian kernel, σ = 0.5", fl.MMD(fl.LaplacianKernel(sigma=0.5)), (), 60
    yield "sliced Wasserstein, 64 directions", fl.SlicedWasserstein(projections=64), (), 60
    yield "Sinkhorn divergence, blur 0.05", fl.SinkhornDivergence(blur=0.05), (), 10


def geomloss_adam(target: Tensor, size: int) -> Tensor:
    """What one writes today, from the same start, in the same normalised coordinates."""
    from geomloss import SamplesLoss

    loss = SamplesLoss("energy", backend="online")
    centre = target.mean(0)
    scale = (target - centre).square().sum(1).mean().sqrt()
    goal = (target - centre) / scale
    points = goal[torch.randperm(len(goal), generator=torch.Generator().manual_seed(0))[:size]].clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss(points, goal).backward()
        optimizer.step()
    return points.detach() * scale + centre


def _sampled(target: Tensor, size: int) -> Tensor:
    return target[torch.randperm(len(target), generator=torch.Generator().manual_seed(1))[:size]]


def _with_steps(steps: int) -> Fitter:
    return lambda target, size: fl.fit(size, target, steps=steps).positions


def _with_discrepancy(discrepancy: fl.Discrepancy, ladder: tuple[float, ...], steps: int) -> Fitter:
    return lambda target, size: fl.fit(size, target, discrepancy, bandwidth_factors=ladder, steps=steps).positions


def _with(integrator: fl.Integrator) -> Fitter:
    return lambda target, size: fl.fit(size, target, integrator=integrator).positions


def _measured(fitter: Fitter, problems: Sequence[Problem]) -> list[str]:
    seconds, sliced, exact, energies = ([] for _ in range(4))
    for problem in problems:
        start = time.perf_counter()
        points = fitter(problem.target, len(problem.sample))
        seconds.append(time.perf_counter() - start)
        sliced.append(sliced_w2(points, problem.held_out) ** 2)
        exact.append(problem.squared_w2(points))
        energies.append(problem.energy(points))
    exact_samples, energy_samples = zip(*(problem.of_sample for problem in problems), strict=True)
    return [
        number(fmean(seconds)),
        number((fmean(sliced) / fmean(problem.floor for problem in problems)) ** 0.5),
        number((fmean(exact) / fmean(exact_samples)) ** 0.5),
        number(fmean(energies) / fmean(energy_samples)),
    ]
