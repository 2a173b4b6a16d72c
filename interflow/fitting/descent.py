"""The stages of a fit: its loss, its step size, and the runs from coarse to fine.

The step size, from the curvature that points meet.

A step h of the accelerated flow is stable where ``h² λ < 4`` for the slopes λ of the velocity. Two of them are measured
on points of the target, shifted by ε ξ with ξ random:

- that of points by themselves, ``|v(x + εξ)ᵢ − v(x)ᵢ| / ε|ξᵢ|`` with a ξᵢ of its own for each, which is steep where
  the target is dense;
- that of the cloud as a whole, ``|Σᵢ v(x + εξ)ᵢ − v(x)ᵢ| / Nε|ξ|`` with one ξ for all, which in many dimensions is the
  steeper one: there the pull of the target and the push of the other points on a single point nearly cancel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from interflow.discrepancies import Discrepancy
from interflow.energies import DiscrepancyEnergy
from interflow.fitting.initialisation import from_samples
from interflow.fitting.resolution_levels import Stage, resized
from interflow.fitting.settings import FitSettings, Progress, Record, Stop, stops
from interflow.fitting.wrappers import FadingDescent, MiniBatches, NoiseInjection, Reweighting
from interflow.integrators import Integrator, Nesterov
from interflow.run import Guard
from interflow.state import State
from interflow.system import ParticleSystem


@final
class Loss:
    """The discrepancy to a target, in float64 whatever the descent is in, since it is a small difference of large sums.

    Args:
        discrepancy: D.
        target: ``(M, d)``.
        weights: ``(M,)``; None for 1/M.
    """

    def __init__(self, discrepancy: Discrepancy, target: Tensor, weights: Tensor | None) -> None:
        self._discrepancy = discrepancy
        self._target = target.double()
        self._weights = None if weights is None else weights.double()
        self._constant: float | None = None

    @torch.no_grad()
    def __call__(self, positions: Tensor, weights: Tensor) -> float:
        """D of a weighted cloud."""
        arguments = (positions.double(), self._target, weights.double(), self._weights)
        relative = float(self._discrepancy.relative(*arguments))
        if self._constant is None:
            self._constant = float(self._discrepancy(*arguments)) - relative
        return relative + self._constant


PROBES = 1000
LENGTH = 0.03
QUANTILE = 0.95
ALONE, TOGETHER = 0.6, 1.0


@torch.no_grad()
def step_size(energy: DiscrepancyEnergy, generator: torch.Generator) -> float:
    """``h = min(0.6 / √λ, 1 / √λ₀)`` with the 95 % quantile λ of the slopes of points and the slope λ₀ of the cloud.

    The two numbers were chosen by measurement.
    """
    target, weights = energy.target, energy.target_weights
    probes = from_samples(min(PROBES, len(target)), target, weights, generator)
    against = DiscrepancyEnergy(energy.discrepancy, from_samples(4 * len(probes), target, weights, generator))
    noise = torch.randn(probes.shape, generator=generator, dtype=probes.dtype, device=generator.device)
    shifts = LENGTH * noise.to(probes.device)
    before = against.velocity(probes)
    changes = against.velocity(probes + shifts) - before
    slopes = changes.norm(dim=1) / shifts.norm(dim=1).clamp(min=1e-12)
    change = (against.velocity(probes + shifts[0]) - before).mean(0)
    slope = change.norm() / shifts[0].norm().clamp(min=1e-12)
    steepest = max(float(slopes.double().quantile(QUANTILE)) / ALONE**2, float(slope) / TOGETHER**2)
    return max(steepest, 1e-12) ** -0.5 if steepest > 0 else 1.0


FADING = 1.5
"""The first step of plain descent, in units of the square of the accelerated one; stable below 2 or more."""


@final
@dataclass(frozen=True, eq=False)
class Descent:
    """What is to be done, in the coordinates of the descent.

    Args:
        points: ``(N, d)``, the start.
        weights: ``(N,)``; None for 1/N.
        stages: what is descended, one after the other.
        loss: what is recorded, and what stops look at.
        integrator: what makes the steps; None for `Nesterov` with a measured step size, and with mini-batches for
            plain descent from it down to 0.
        settings: of the fit.
        generator: of every draw.
    """

    points: Tensor
    weights: Tensor | None
    stages: Sequence[Stage]
    loss: Loss
    integrator: Integrator | None
    settings: FitSettings
    generator: torch.Generator


@final
@dataclass(frozen=True, eq=False)
class Descended:
    """What came of it."""

    state: State
    history: tuple[Record, ...]
    stats: Mapping[str, Any]


@final
@dataclass
class Watch:
    """Steps, seconds and records of a descent; its clock stands still while losses are measured and reported."""

    report: Callable[[Record, Tensor, Tensor], object]
    history: list[Record] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        """Let the clock run."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Halt the clock."""
        self.seconds += time.perf_counter() - self._since

    def record(self, loss: Loss, positions: Tensor, weights: Tensor) -> None:
        """Measure the loss and tell it, with the clock halted before and running after."""
        self.pause()
        self.history.append(Record(self.step, self.seconds, loss(positions, weights)))
        self.report(self.history[-1], positions, weights)
        self.start()

    def progress(self) -> Progress:
        """As stops see it."""
        return Progress(self.step, self.seconds + time.perf_counter() - self._since, tuple(self.history))


@torch.no_grad()
def descend(descent: Descent, watch: Watch) -> Descended:
    """Go through the stages; the stops that look at losses wait for the last one."""
    last, settings = descent.stages[-1], descent.settings
    points, weights, reason, moved_by = descent.points, descent.weights, "", {}
    watch.start()
    watch.record(
        descent.loss, points, points.new_full((len(points),), 1.0 / len(points)) if weights is None else weights
    )
    for stage in descent.stages:
        if stage.count is not None and stage.count != len(points):
            points, weights = resized(points, stage.count, descent.generator), None
        integrator = descent.integrator or _integrator(
            stage.energy, settings, stage.until - watch.step, descent.generator
        )
        moved_by = {"integrator": type(integrator).__name__, "step_size": _step_size(integrator)}
        composed = _composed(integrator, stage.energy, settings, watch.step)
        system = ParticleSystem(
            points, energy=stage.energy, integrator=composed, weights=weights, generator=descent.generator
        )
        given = _stops(settings) if stage is last else stops(stage.until, settings.seconds, None, None)
        reason = _advance(system, watch, descent.loss, given, settings)
        points, weights = system.positions, system.weights
    watch.pause()
    choices = last.energy.explain(points, weights)
    said = [{"term": name, "backend": choice.backend, "why": choice.why} for name, choice in choices]
    stats = {"stopped": reason, "steps": watch.step, "seconds": watch.seconds, **moved_by, "sums": said}
    return Descended(system.state, tuple(watch.history), stats)


def _stops(settings: FitSettings) -> list[Stop]:
    return stops(settings.steps, settings.seconds, settings.decrease, settings.loss)


def _advance(system: ParticleSystem, watch: Watch, loss: Loss, given: Sequence[Stop], settings: FitSettings) -> str:
    """Make steps until one of the stops has a reason to end."""
    with Guard(system) as guard:
        while True:
            reason = next(filter(None, (stop.reason(watch.progress()) for stop in given)), None)
            if reason is not None:
                if watch.history[-1].step != watch.step:
                    watch.record(loss, system.positions, system.weights)
                return reason
            watch.step += 1
            due = watch.step % settings.check_every == 0
            state = guard.advance(check=due)
            if due:
                watch.record(loss, state.positions, state.weights)


def _integrator(energy: DiscrepancyEnergy, settings: FitSettings, steps: int, generator: torch.Generator) -> Integrator:
    """That of a rung of so many steps, where none is given."""
    size = step_size(energy, generator)
    return Nesterov(size) if _all_at_once(energy, settings) else FadingDescent(FADING * size**2, steps)


def _all_at_once(energy: DiscrepancyEnergy, settings: FitSettings) -> bool:
    return settings.batch is None or settings.batch >= len(energy.target)


def _composed(integrator: Integrator, energy: DiscrepancyEnergy, settings: FitSettings, before: int) -> Integrator:
    """The integrator with what the settings wrap around it, on a rung before which some steps were made."""
    if settings.batch is not None and not _all_at_once(energy, settings):
        integrator = MiniBatches(integrator, energy, settings.batch)
    if settings.noise > 0:
        integrator = NoiseInjection(integrator, settings.noise, settings.steps, before)
    if settings.weight_rate > 0:
        integrator = Reweighting(integrator, energy, settings.weight_rate)
    return integrator


def _step_size(integrator: Integrator) -> float | None:
    size = getattr(integrator, "step_size", None)
    return float(size) if isinstance(size, Tensor) else None
