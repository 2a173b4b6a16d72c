"""Fit a point cloud to a target by descending a discrepancy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar, final

import torch
from torch import Tensor

from interflow._repr import ShortRepr
from interflow.boundaries import OpenBoundary
from interflow.discrepancies import Discrepancy
from interflow.errors import ArgumentError
from interflow.fitting.defaults import Objective, default_objective, deterministic_copy
from interflow.fitting.descent import FitInputs, Loss, descend
from interflow.fitting.initialisation import INITIALISERS, Normalisation
from interflow.fitting.resolution_levels import STAGE_FRACTION, scaled_discrepancies, stages
from interflow.fitting.settings import FitRecord, FitSettings
from interflow.integrators import Integrator
from interflow.validation import check_cloud, check_instance, check_masses, check_not_empty, check_same_space, is_count


@final
@dataclass(frozen=True, eq=False, repr=False)
class FitResult(ShortRepr):
    """Points that represent a target.

    Args:
        positions: ``(N, d)``, in the target's own coordinates.
        weights: ``(N,)``; their sum is the mass of the target.
        start: ``(N, d)``, where the points were before the first step.
        history: the loss at the start, every few steps, and at the end, in the coordinates of the descent.
        stats: how it went: ``stopped``, which says why; ``steps``, ``seconds``, ``scale``, ``integrator``,
            ``step_size``, ``loss``, ``discrepancy``, and ``sums``, the backends that ran.
        settings: how it was made.
    """

    positions: Tensor
    weights: Tensor
    start: Tensor
    history: tuple[FitRecord, ...]
    stats: Mapping[str, Any]
    settings: FitSettings


Callback = Callable[[FitRecord, Tensor, Tensor], object]
"""What a fit calls with each record, the positions in the target's coordinates, and the weights."""


@final
@dataclass(frozen=True, eq=False)
class FitTask(FitSettings):
    """Arguments of `fit`: clouds, discrepancy, integrator and callback, and all of `FitSettings`."""

    source: int | Tensor
    target: Tensor
    discrepancy: Discrepancy | None = None
    _: KW_ONLY
    source_weights: Tensor | None = None
    target_weights: Tensor | None = None
    integrator: Integrator | None = None
    callback: Callback | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_cloud(self.target, self.target_weights, names=("target", "target_weights"))
        check_not_empty(self.target, "target")
        check_masses(self.target_weights, "target_weights")
        _check_finite("target", self.target)
        self._check_source()
        if self.discrepancy is not None:
            check_instance("discrepancy", self.discrepancy, Discrepancy)

    def _check_source(self) -> None:
        if isinstance(self.source, Tensor):
            check_cloud(self.source, self.source_weights, names=("source", "source_weights"))
            check_not_empty(self.source, "source")
            check_masses(self.source_weights, "source_weights")
            check_same_space(self.target, self.source, names=("target", "source"))
            _check_finite("source", self.source)
        elif not is_count(self.source, at_least=1):
            wanted = "a positive whole number, or points of shape (N, d)"
            raise ArgumentError("source", came=repr(self.source), wanted=wanted)
        elif self.source_weights is not None:
            raise ArgumentError("source_weights", came="weights of a number", wanted="None where `source` is a number")

    @property
    def settings(self) -> FitSettings:
        """The settings alone."""
        return FitSettings(**{setting.name: getattr(self, setting.name) for setting in fields(FitSettings)})


Arguments = ParamSpec("Arguments")
TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def _with_arguments_of(
    task: Callable[Arguments, TaskT],
) -> Callable[[Callable[[TaskT], ResultT]], Callable[Arguments, ResultT]]:
    """Let a function of a task take the arguments from which the task is made, so that they are listed once."""

    def decorate(function: Callable[[TaskT], ResultT]) -> Callable[Arguments, ResultT]:
        @wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResultT:
            return function(task(*args, **kwargs))

        returned = signature(function).return_annotation
        vars(call)["__signature__"] = signature(task).replace(return_annotation=returned)
        return call

    return decorate


@_with_arguments_of(FitTask)
def fit(task: FitTask) -> FitResult:
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
        callback: called with each record, the positions in the target's coordinates, and the weights.
        **settings: every argument of `FitSettings`, by name: ``steps=100``. Points that are given are not refined.

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
    generator = torch.Generator().manual_seed(task.seed)
    clouds = _normalised(task, generator)
    chosen = _chosen(task, clouds)

    def report(record: FitRecord, positions: Tensor, weights: Tensor) -> None:
        if task.callback is not None:
            task.callback(record, clouds.normalisation.undo(positions), weights * clouds.mass)

    began = time.perf_counter()
    outcome = descend(_inputs(task, clouds, chosen, generator), report)
    stats = {
        **outcome.stats,
        "discrepancy": chosen.description,
        "refinements": chosen.refinements,
        "scale": clouds.normalisation.scale,
        "wall_seconds": time.perf_counter() - began,
        "loss": outcome.history[-1].loss,
    }
    return FitResult(
        positions=clouds.normalisation.undo(outcome.state.positions),
        weights=outcome.state.weights * clouds.mass,
        start=clouds.normalisation.undo(clouds.points),
        history=outcome.history,
        stats=stats,
        settings=task.settings,
    )


@final
@dataclass(frozen=True, eq=False)
class _Clouds:
    """The clouds of a fit in normalised coordinates, their weights with sum 1, and the mass of the target."""

    points: Tensor
    weights: Tensor | None
    target: Tensor
    target_weights: Tensor | None
    normalisation: Normalisation
    mass: float


def _normalised(task: FitTask, generator: torch.Generator) -> _Clouds:
    mass = 1.0 if task.target_weights is None else float(task.target_weights.double().sum())
    target_weights = _shares("target_weights", task.target_weights)
    boundary = OpenBoundary() if task.discrepancy is None else task.discrepancy.boundary
    normalisation = Normalisation.of(task.target, target_weights, boundary)
    target = normalisation.apply(task.target)
    if isinstance(task.source, Tensor):
        points = normalisation.apply(task.source)
    else:
        points = INITIALISERS[task.init](task.source, target, target_weights, generator)
    weights = _shares("source_weights", task.source_weights)
    return _Clouds(points, weights, target, target_weights, normalisation, mass)


def _chosen(task: FitTask, clouds: _Clouds) -> Objective:
    """The discrepancy and the refinements of a task, or what takes their place."""
    if task.discrepancy is None:
        chosen = default_objective(clouds.points, clouds.target, clouds.target_weights)
    else:
        chosen = Objective(task.discrepancy, type(task.discrepancy).__name__)
    given = isinstance(task.source, Tensor)
    if given and task.refinements:
        came, remedy = f"{task.refinements} of points that are given", "Give their number, or leave refinements out."
        raise ArgumentError("refinements", came=came, wanted="none", remedy=remedy)
    if task.refinements is not None:
        chosen = replace(chosen, refinements=task.refinements)
    elif given or task.weight_step_size:
        chosen = replace(chosen, refinements=0)
    return replace(chosen, discrepancy=deterministic_copy(chosen.discrepancy)) if task.deterministic else chosen


def _inputs(task: FitTask, clouds: _Clouds, chosen: Objective, generator: torch.Generator) -> FitInputs:
    discrepancies = scaled_discrepancies(chosen.discrepancy, task.bandwidth_factors)
    return FitInputs(
        clouds.points,
        clouds.weights,
        stages(
            discrepancies,
            clouds.target,
            clouds.target_weights,
            count=len(clouds.points),
            refinements=chosen.refinements,
            fine=STAGE_FRACTION[task.init],
            steps=task.steps,
            generator=generator,
        ),
        Loss(discrepancies[-1] if chosen.loss is None else chosen.loss, clouds.target, clouds.target_weights),
        task.integrator,
        task.settings,
        generator,
    )


def _shares(name: str, weights: Tensor | None) -> Tensor | None:
    """Weights of sum 1."""
    if weights is None:
        return None
    total = float(weights.double().sum())
    if not total > 0:
        raise ArgumentError(name, came=f"weights of sum {total:g}", wanted="some mass")
    return (weights.double() / total).to(weights.dtype)


def _check_finite(name: str, cloud: Tensor) -> None:
    if not bool(cloud.isfinite().all()):
        raise ArgumentError(name, came="points that are not finite", wanted="finite coordinates")
