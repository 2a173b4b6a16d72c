"""Fit a point cloud to a target by descending a discrepancy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import torch
from torch import Tensor

from interflow.boundaries import OpenBoundary
from interflow.discrepancies import Discrepancy
from interflow.errors import ArgumentError
from interflow.fitting.defaults import Default, default_discrepancy, repeatable
from interflow.fitting.descent import Descent, Loss, Watch, descend
from interflow.fitting.initialisation import STARTS, Normalisation
from interflow.fitting.resolution_levels import FINE, rungs, stages
from interflow.fitting.settings import FitSettings, Record
from interflow.integrators import Integrator
from interflow.validation import check_cloud, check_instance, check_masses, check_not_empty, check_same_space


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """Points that represent a target.

    Args:
        positions: ``(N, d)``, in the target's own coordinates.
        weights: ``(N,)``; their sum is the mass of the target.
        start: ``(N, d)``, where the points were before the first step.
        history: the loss at the start, every few steps, and at the end, in the coordinates of the descent.
        stats: how it went: ``stopped``, which says why; ``steps``, ``seconds``, ``scale``, ``integrator``,
            ``step_size``, ``loss``, ``discrepancy``, and ``sums``, the backends that ran.
        config: how it was made.
    """

    positions: Tensor
    weights: Tensor
    start: Tensor
    history: tuple[Record, ...]
    stats: Mapping[str, Any]
    config: FitSettings


Callback = Callable[[Record, Tensor, Tensor], object]
"""What a fit calls with each record, the positions in the target's coordinates, and the weights."""


def fit(
    source: int | Tensor,
    target: Tensor,
    discrepancy: Discrepancy | None = None,
    *,
    source_weights: Tensor | None = None,
    target_weights: Tensor | None = None,
    integrator: Integrator | None = None,
    steps: int = FitSettings.steps,
    seconds: float | None = None,
    decrease: float | None = None,
    loss: float | None = None,
    start: Literal["samples", "box"] = "samples",
    ladder: tuple[float, ...] = (),
    noise: float = 0.0,
    batch: int | None = None,
    weight_rate: float = 0.0,
    refinements: int | None = None,
    check_every: int = FitSettings.check_every,
    seed: int = 0,
    deterministic: bool = False,
    callback: Callback | None = None,
) -> Fit:
    """Move points until they represent a target, by descending a discrepancy along its Wasserstein gradient.

    On an open domain the descent takes place in coordinates in which the target has its centre at 0 and a root mean
    square radius of 1: bandwidths, step sizes, noise and losses are in these units. The result is in the target's own.

    Args:
        source: how many points, or the points to move, ``(N, d)``.
        target: ``(M, d)``, floating.
        discrepancy: what is descended; None for the energy distance, which for many points in the plane is taken
            over waves down to half of the distance between neighbours; ``stats["discrepancy"]`` says so.
        source_weights: ``(N,)``, of the points to move, not negative; None for equal ones.
        target_weights: ``(M,)``, not negative; None for equal ones. Both are scaled to the same mass.
        integrator: how points move: `Euler` for plain descent, `Momentum`, `NamedOptimizer`, or another; None for
            `Nesterov` with a step size measured on the target, and with a batch for plain descent from such a step
            size down to 0.
        steps: see `FitSettings`, as for the arguments that follow.
        seconds: see there.
        decrease: see there.
        loss: see there.
        start: see there.
        ladder: see there.
        noise: see there.
        batch: see there.
        weight_rate: see there.
        refinements: see there; refused where the points to move are given.
        check_every: see there.
        seed: see there.
        deterministic: see there.
        callback: called with each record, the positions in the target's coordinates, and the weights.

    Raises:
        ArgumentError: if an argument cannot be used.
        NonFiniteError: if the descent runs away; a smaller step size helps.

    Example:
        >>> import interflow as fl
        >>> target = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> fitted = fl.fit(50, target, steps=20)
        >>> fitted.positions.shape, fitted.history[-1].loss < 0.5 * fitted.history[0].loss, fitted.stats["stopped"]
        (torch.Size([50, 2]), True, '20 steps were made')
    """
    settings = FitSettings(
        steps=steps,
        seconds=seconds,
        decrease=decrease,
        loss=loss,
        start=start,
        ladder=ladder,
        noise=noise,
        batch=batch,
        weight_rate=weight_rate,
        refinements=refinements,
        check_every=check_every,
        seed=seed,
        deterministic=deterministic,
    )
    _check(source, source_weights, target, target_weights)
    if discrepancy is not None:
        check_instance("discrepancy", discrepancy, Discrepancy)
    mass = 1.0 if target_weights is None else float(target_weights.double().sum())
    target_weights = _shares("target_weights", target_weights)
    unit = Normalisation.of(target, target_weights, OpenBoundary() if discrepancy is None else discrepancy.boundary)
    goal = unit.apply(target)
    generator = torch.Generator().manual_seed(seed)
    points = STARTS[start](source, goal, target_weights, generator) if isinstance(source, int) else unit.apply(source)
    if discrepancy is None:
        chosen = default_discrepancy(points, goal, target_weights)
    else:
        chosen = Default(discrepancy, type(discrepancy).__name__)
    if not isinstance(source, int):
        chosen = replace(chosen, refinements=0)
    descended = repeatable(chosen.discrepancy) if deterministic else chosen.discrepancy
    fine = rungs(descended, ladder)
    refined = chosen.refinements if refinements is None and weight_rate == 0 else refinements or 0
    if refined and (source_weights is not None or not isinstance(source, int)):
        remedy = "Give their number, or leave refinements out."
        raise ArgumentError("refinements", came=f"{refined} of points that are given", wanted="none", remedy=remedy)

    def report(record: Record, positions: Tensor, weights: Tensor) -> None:
        if callback is not None:
            callback(record, unit.undo(positions), weights * mass)

    descent = Descent(
        points,
        _shares("source_weights", source_weights),
        stages(
            fine,
            goal,
            target_weights,
            count=len(points),
            refinements=refined,
            fine=FINE[start],
            steps=settings.steps,
            generator=generator,
        ),
        Loss(fine[-1] if chosen.loss is None else chosen.loss, goal, target_weights),
        integrator,
        settings,
        generator,
    )
    began = time.perf_counter()
    result = descend(descent, Watch(report))
    stats = {
        **result.stats,
        "discrepancy": chosen.description,
        "refinements": refined,
        "scale": unit.scale,
        "wall_seconds": time.perf_counter() - began,
        "loss": result.history[-1].loss,
    }
    return Fit(
        positions=unit.undo(result.state.positions),
        weights=result.state.weights * mass,
        start=unit.undo(points),
        history=result.history,
        stats=stats,
        config=settings,
    )


def _shares(name: str, weights: Tensor | None) -> Tensor | None:
    """Weights of sum 1."""
    if weights is None:
        return None
    total = float(weights.double().sum())
    if not total > 0:
        raise ArgumentError(name, came=f"weights of sum {total:g}", wanted="some mass")
    return (weights.double() / total).to(weights.dtype)


def _check(source: object, source_weights: Tensor | None, target: Tensor, target_weights: Tensor | None) -> None:
    check_cloud(target, target_weights, names=("target", "target_weights"))
    check_not_empty(target, "target")
    check_masses(target_weights, "target_weights")
    if isinstance(source, Tensor):
        check_cloud(source, source_weights, names=("source", "source_weights"))
        check_not_empty(source, "source")
        check_masses(source_weights, "source_weights")
        check_same_space(target, source, names=("target", "source"))
    elif isinstance(source, bool) or not isinstance(source, int) or source < 1:
        raise ArgumentError("source", came=repr(source), wanted="a positive whole number, or points of shape (N, d)")
    elif source_weights is not None:
        raise ArgumentError("source_weights", came="weights of a number", wanted="None where `source` is a number")
    for name, cloud in (("target", target), ("source", source)):
        if isinstance(cloud, Tensor) and not bool(cloud.isfinite().all()):
            raise ArgumentError(name, came="points that are not finite", wanted="finite coordinates")
