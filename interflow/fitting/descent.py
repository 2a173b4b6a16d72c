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
from interflow.fitting.initialisation import init_from_target
from interflow.fitting.resolution_levels import Stage, resample_points
from interflow.fitting.settings import FitProgress, FitRecord, FitSettings, StoppingRule
from interflow.fitting.wrappers import (
    DecayingEuler,
    MiniBatchIntegrator,
    MirrorDescentIntegrator,
    NoiseInjectionIntegrator,
)
from interflow.integrators import Integrator, Nesterov
from interflow.run import advance
from interflow.state import State
from interflow.sums import backends_used, sums_made
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
PROBE_SHIFT = 0.03
QUANTILE = 0.95
POINT_STABILITY, CLOUD_STABILITY = 0.6, 1.0


@torch.no_grad()
def step_size(energy: DiscrepancyEnergy, generator: torch.Generator) -> float:
    """``h = min(0.6 / √λ, 1 / √λ₀)`` with the 95 % quantile λ of the slopes of points and the slope λ₀ of the cloud.

    The two numbers were chosen by measurement.
    """
    target, weights = energy.target, energy.target_weights
    probes = init_from_target(min(PROBES, len(target)), target, weights, generator)
    subsampled_energy = DiscrepancyEnergy(
        energy.discrepancy, init_from_target(4 * len(probes), target, weights, generator)
    )
    noise = torch.randn(probes.shape, generator=generator, dtype=probes.dtype, device=generator.device)
    shifts = PROBE_SHIFT * noise.to(probes.device)
    before = subsampled_energy.velocity(probes)
    changes = subsampled_energy.velocity(probes + shifts) - before
    slopes = changes.norm(dim=1) / shifts.norm(dim=1).clamp(min=1e-12)
    change = (subsampled_energy.velocity(probes + shifts[0]) - before).mean(0)
    slope = change.norm() / shifts[0].norm().clamp(min=1e-12)
    steepest = max(float(slopes.double().quantile(QUANTILE)) / POINT_STABILITY**2, float(slope) / CLOUD_STABILITY**2)
    return max(steepest, 1e-12) ** -0.5 if steepest > 0 else 1.0


EULER_STEP_RATIO = 1.5
"""The first step of plain descent, in units of the square of the accelerated one; stable below 2 or more."""


@final
@dataclass(frozen=True, eq=False)
class FitInputs:
    """Inputs of a fit, in normalised coordinates.

    Args:
        points: ``(N, d)``, the start.
        weights: ``(N,)``; None for 1/N.
        stages: what is descended, one after the other.
        loss: what is recorded, and what stopping rules look at.
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
class FitOutcome:
    """Final state, loss history and statistics of a fit."""

    state: State
    history: tuple[FitRecord, ...]
    stats: Mapping[str, Any]


@final
@dataclass
class FitLog:
    """Steps, seconds and records of a descent; its clock stands still while losses are measured and reported.

    Args:
        loss: the loss of a weighted cloud.
        report: called with each record, the positions and the weights.
    """

    loss: Callable[[Tensor, Tensor], float]
    report: Callable[[FitRecord, Tensor, Tensor], object]
    history: list[FitRecord] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        """Let the clock run."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Halt the clock."""
        self.seconds += time.perf_counter() - self._since

    def record(self, positions: Tensor, weights: Tensor) -> None:
        """Measure the loss of a cloud after the latest step and report it, unless that is done; the clock is halted."""
        if self.history and self.history[-1].step == self.step:
            return
        self.pause()
        self.history.append(FitRecord(self.step, self.seconds, self.loss(positions, weights)))
        self.report(self.history[-1], positions, weights)
        self.start()

    def progress(self) -> FitProgress:
        """Return the current step, elapsed seconds and loss history, as stopping rules need them."""
        return FitProgress(self.step, self.seconds + time.perf_counter() - self._since, tuple(self.history))


@torch.no_grad()
def descend(inputs: FitInputs, report: Callable[[FitRecord, Tensor, Tensor], object]) -> FitOutcome:
    """Go through the stages; the stopping rules that look at losses wait for the last one."""
    settings, log = inputs.settings, FitLog(inputs.loss, report)
    points, weights, reason, integrator_stats = inputs.points, inputs.weights, "", {}
    log.start()
    log.record(points, points.new_full((len(points),), 1.0 / len(points)) if weights is None else weights)
    with backends_used() as used:
        for stage in inputs.stages:
            if stage.count is not None and stage.count != len(points):
                points, weights = resample_points(points, stage.count, inputs.generator), None
            integrator = inputs.integrator or _integrator(
                stage.energy, settings, stage.until - log.step, inputs.generator
            )
            integrator_stats = {"integrator": type(integrator).__name__, "step_size": _step_size(integrator)}
            system = ParticleSystem(
                points,
                energy=stage.energy,
                integrator=_wrap_integrator(integrator, stage.energy, settings, log.step),
                weights=weights,
                generator=inputs.generator,
            )
            rules = settings.stopping_rules(stage.until, is_last=stage is inputs.stages[-1])
            reason = _run_stage(system, log, rules, settings.check_every)
            points, weights = system.positions, system.weights
    log.pause()
    stats = {"stopped": reason, "steps": log.step, "seconds": log.seconds, **integrator_stats, "sums": sums_made(used)}
    return FitOutcome(system.state, tuple(log.history), stats)


def _run_stage(system: ParticleSystem, log: FitLog, rules: Sequence[StoppingRule], check_every: int) -> str:
    """Advance a system until one of the rules has a reason to end, which is returned."""
    reasons: list[str] = []

    def is_over(step: int) -> bool:
        reasons.extend(filter(None, (rule.reason(log.progress()) for rule in rules)))
        return bool(reasons)

    def is_checked(step: int) -> bool:
        return step % check_every == 0

    def after_step(step: int, state: State) -> None:
        log.step = step
        if is_checked(step):
            log.record(state.positions, state.weights)

    advance(system, is_over=is_over, is_checked=is_checked, after_step=after_step, steps_made=log.step)
    log.record(system.positions, system.weights)
    return reasons[0]


def _integrator(energy: DiscrepancyEnergy, settings: FitSettings, steps: int, generator: torch.Generator) -> Integrator:
    """That of a rung of so many steps, where none is given."""
    size = step_size(energy, generator)
    return Nesterov(size) if _all_at_once(energy, settings) else DecayingEuler(EULER_STEP_RATIO * size**2, steps)


def _all_at_once(energy: DiscrepancyEnergy, settings: FitSettings) -> bool:
    return settings.batch_size is None or settings.batch_size >= len(energy.target)


def _wrap_integrator(
    integrator: Integrator, energy: DiscrepancyEnergy, settings: FitSettings, before: int
) -> Integrator:
    """The integrator with what the settings wrap around it, on a rung before which some steps were made."""
    if settings.batch_size is not None and not _all_at_once(energy, settings):
        integrator = MiniBatchIntegrator(integrator, energy, settings.batch_size)
    if settings.noise > 0:
        integrator = NoiseInjectionIntegrator(integrator, settings.noise, settings.steps, before)
    if settings.weight_step_size > 0:
        integrator = MirrorDescentIntegrator(integrator, energy, settings.weight_step_size)
    return integrator


def _step_size(integrator: Integrator) -> float | None:
    size = getattr(integrator, "step_size", None)
    return float(size) if isinstance(size, Tensor) else None
