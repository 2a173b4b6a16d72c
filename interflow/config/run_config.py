"""The config of a run, and its part that describes a system without positions."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from interflow.config.builtin_kinds import (
    BACKENDS,
    BOUNDARIES,
    DISTRIBUTIONS,
    ENERGIES,
    INTEGRATORS,
    OBSERVABLES,
    SCHEDULES,
)
from interflow.config.builtin_kinds import from_object as from_object
from interflow.config.fields import Count, CountFromZero, Seconds, Seed, String
from interflow.config.model import Context, Model, check_memory
from interflow.config.problems import ConfigIssue, InvalidConfigError
from interflow.energies import Energy
from interflow.errors import ConfigError
from interflow.reporters import Observable
from interflow.solution import check_observables
from interflow.system import ParticleSystem

Dtype = Annotated[Literal["float32", "float64"], Field(description="of positions and weights.")]
Device = Annotated[String, Field(description="where the particles live: cpu, cuda, cuda:1, …")]
AnyBoundary = Annotated[Any, BOUNDARIES, Field(description="the domain of everything in this run.")]
AnyBackend = Annotated[Any, BACKENDS, Field(description="what sums pairs, for the whole run.")]
AnyEnergy = Annotated[Any, ENERGIES, Field(description="what the particles descend.")]
AnySchedule = Annotated[Any, SCHEDULES, Field(description="how it changes.")]
SchedulesByName = Annotated[
    dict[String, AnySchedule], Field(description="what changes from step to step, such as integrator.step_size.")
]
AnyObservable = Annotated[Any, OBSERVABLES, Field(description="what is measured.")]
AnyIntegrator = Annotated[Any, INTEGRATORS, Field(description="how they move.")]

_OPEN = BOUNDARIES.parse({"kind": "open"})
_AUTO = BACKENDS.parse({"kind": "auto"})
_UNIFORM = DISTRIBUTIONS.parse({"kind": "uniform"})


@final
class SystemConfig(Model):
    """A system without its positions."""

    dtype: Dtype = "float32"
    device: Device = "cpu"
    boundary: AnyBoundary = _OPEN
    backend: AnyBackend = _AUTO
    energy: AnyEnergy
    integrator: AnyIntegrator
    schedules: SchedulesByName = Field({})

    def build(
        self, positions: Tensor, weights: Tensor | None = None, generator: torch.Generator | None = None
    ) -> ParticleSystem:
        """The system on the given positions, ``(N, d)``, which take the config's dtype and device.

        Raises:
            InvalidConfigError: naming the field whose value cannot be used.
        """
        context = self.context()
        context.check_backend(positions.shape[-1])
        positions = positions.to(context.device, context.dtype)
        energy = self.energy.build(context.at("energy"))
        integrator = self.integrator.build(context.at("integrator"))
        schedules = {name: config.build(context.at("schedules", name)) for name, config in self.schedules.items()}
        with context.reporting({"positions": "particles", "schedules": "schedules"}):
            return ParticleSystem(
                positions,
                energy=energy,
                integrator=integrator,
                weights=None if weights is None else weights.to(positions),
                generator=generator,
                schedules=schedules,
            )

    def context(self) -> Context:
        """Return the values that the energy inherits."""
        return context_of(self.boundary, self.backend, self.dtype, self.device)


def context_of(boundary: Any, backend: Any, dtype: str, device: str) -> Context:
    """Return the context of a config's root, from its sections."""
    root = Context(dtype=getattr(torch, dtype))
    built = backend.build(root.at("backend"))
    as_named = built == type(built)()  # a bare name leaves the options to the energy
    return Context(
        boundary=boundary.build(root.at("boundary")),
        backend=backend.kind if as_named else built,
        tolerance=backend.tolerance,
        dtype=root.dtype,
        device=_device(device),
    )


@from_object.register
def _of_system(system: ParticleSystem) -> SystemConfig:
    positions = system.state.positions
    return SystemConfig.model_validate(
        {
            "dtype": str(positions.dtype).removeprefix("torch."),
            "device": str(positions.device),
            "boundary": from_object(system.boundary),
            "backend": _backend_of(system.energy),
            "energy": from_object(system.energy),
            "integrator": from_object(system.integrator),
            "schedules": {name: from_object(schedule) for name, schedule in system.schedules.items()},
        }
    )


class Particles(Model):
    """The initial cloud."""

    count: Count = Field(description="N.")
    dimension: Count = Field(description="d.")
    distribution: Annotated[Any, DISTRIBUTIONS, Field(description="of each; uniform in the unit box if not given.")] = (
        _UNIFORM
    )


class Run(Model):
    """Length of the run, and intervals of its frames, checkpoints and reports."""

    steps: CountFromZero = Field(description="of the integrator.")
    save_every: Count = Field(10, description="steps from frame to frame; start and end are always kept.")
    checkpoint_every: Seconds = Field(30.0, description="seconds from checkpoint to checkpoint; 0 for every step.")
    report_every: Count | None = Field(
        None, description="steps from row to row of report.csv, the energy and the observables; none for no table."
    )


@final
class RunConfig(Model):
    """The complete config of a run. The same config, versions and machine give the same frames.

    Example:
        >>> config = RunConfig(
        ...     particles={"count": 100, "dimension": 2},
        ...     boundary={"kind": "periodic", "lengths": 1.0},
        ...     energy={"kind": "interaction", "scale": -2.0, "kernel": {"kind": "gaussian", "sigma": 0.1}},
        ...     integrator={"kind": "euler", "step_size": 0.005},
        ...     run={"steps": 200},
        ... )
        >>> config.build().state.positions.shape
        torch.Size([100, 2])
    """

    seed: Seed = Field(0, description="of every random draw.")
    particles: Particles
    dtype: Dtype = "float32"
    device: Device = "cpu"
    boundary: AnyBoundary = _OPEN
    backend: AnyBackend = _AUTO
    energy: AnyEnergy
    integrator: AnyIntegrator
    schedules: SchedulesByName = Field({})
    observables: dict[String, AnyObservable] = Field({}, description="what is kept with each frame, by name.")
    run: Run

    @property
    def system(self) -> SystemConfig:
        """The part of the config without initial positions and length."""
        return SystemConfig(**{name: getattr(self, name) for name in SystemConfig.model_fields})

    def build(self) -> ParticleSystem:
        """Return the system in its initial state.

        Raises:
            InvalidConfigError: naming the field whose value cannot be used.
        """
        generator = torch.Generator().manual_seed(self.seed)
        where = Context().at("particles", "distribution")
        count, dimension = self.particles.count, self.particles.dimension
        check_memory(("particles", "count"), count, dimension, getattr(torch, self.dtype))
        distribution = self.particles.distribution.build(where)
        with where.reporting({name: name for name in vars(distribution)}):
            positions = distribution.sample((count, dimension), generator, getattr(torch, self.dtype))
        return self.system.build(positions, generator=generator)

    def observe(self, system: ParticleSystem) -> dict[str, Observable]:
        """Return the observables, whose values are kept with each frame.

        Raises:
            InvalidConfigError: naming the field whose value cannot be used.
        """
        context = dataclasses.replace(self.system.context(), energy=system.energy)
        with context.reporting({"observables": "observables"}):
            check_observables(dict.fromkeys(self.observables, len))
        return {name: config.build(context.at("observables", name)) for name, config in self.observables.items()}


def _device(name: str) -> torch.device:
    """Return the device of a name, if it can hold a tensor on this machine."""
    try:
        torch.zeros(1, device=name).item()
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidConfigError(
            [ConfigIssue(("device",), repr(name), "a device of this machine, such as cpu", reason)]
        ) from None


def _backend_of(energy: Energy) -> dict[str, Any]:
    """Return the backend and the tolerance that all terms of an energy sum with."""
    used = {(module.backend, module.tolerance) for module in energy.modules() if hasattr(module, "backend")}
    if len(used) > 1:
        came = ", ".join(sorted(str(backend) for backend, _ in used))
        raise ConfigError(f"The energy sums in several ways, {came}, and a config has one backend for all of it.")
    backend, tolerance = used.pop() if used else ("auto", None)
    options = {"kind": backend} if isinstance(backend, str) else dict(from_object(backend))
    return {**options, "tolerance": tolerance}
