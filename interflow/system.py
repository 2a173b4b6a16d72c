"""A system of particles: a state, the energy that moves it, and the integrator that makes the steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast, final

import torch
from torch import Tensor, nn

from interflow.boundaries import Boundary
from interflow.energies import Energy
from interflow.errors import ArgumentError
from interflow.integrators import Dynamics, Integrator
from interflow.reporters import progress_bar
from interflow.reporters.series import heading
from interflow.rollout import Gradient, gradient_mode, iterate_frames
from interflow.run import FrameWriter, MemorySolution, MemoryStore, MemoryWriter, advance
from interflow.schedules import Schedule, Schedules
from interflow.solution import ENERGY, FramePlan, Solution, check_observables
from interflow.state import CARRY, FEATURES, State
from interflow.sums import backends_used, sums_made
from interflow.validation import check_instance, check_masses

Callback = Callable[[State], object]
"""What a run calls with the state after each step."""

Observable = Callable[[State], Tensor]
"""What a run keeps with each frame: a number, or an array of the same shape at every frame."""


_BUFFERS = ("positions", "weights", "velocities", "time")


class FrameStore(Protocol):
    """Where a run puts its frames, and finds what it needs to go on."""

    def recording(self, system: ParticleSystem, plan: FramePlan, resume: bool) -> AbstractContextManager[FrameWriter]:
        """The time in which a run goes on.

        Args:
            system: what runs; where a run resumes, it is brought to the state that was saved last.
            plan: which states will be frames.
            resume: go on with a run that was broken off.
        """


@final
class ParticleSystem(nn.Module):
    """Particles that follow the Wasserstein gradient flow of an energy.

    The state's tensors are buffers: they move with ``.to()``, and ``state_dict`` holds all that a run needs to go on
    bit for bit, with the integrator's carry and the generator's state.

    Args:
        positions: ``(N, d)``, floating; copied, and wrapped into the domain.
        energy: what moves the particles; it owns the domain.
        integrator: what makes the steps.
        weights: ``(N,)``, not negative; None for 1/N.
        velocities: ``(N, d)``, at the start of a motion of second order; None for rest.
        features: named tensors that belong to the particles, ``(N,)`` or ``(N, k)``, such as ``{"charge": q}``: the
            laws of interactions read them by name, and no step changes them.
        generator: where noise is drawn from, for integrators that need it.
        schedules: hyperparameters that change from step to step, by name: ``{"integrator.temperature":
            LinearSchedule(1.0, 0.0, steps=100)}``.

    Raises:
        ArgumentError: if an argument has the wrong shape, dtype, device or type, a position is not finite, a weight is
            negative, or the domain has another number of axes.

    Example:
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.tensor([[0.0], [1.0]]), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> solution = system.simulate(steps=10, save_every=5)
        >>> solution.positions.shape, bool(solution.energies[-1] < solution.energies[0])
        (torch.Size([3, 2, 1]), True)
    """

    positions: Tensor
    weights: Tensor
    velocities: Tensor | None
    time: Tensor
    features: nn.Module | None

    def __init__(
        self,
        positions: Tensor,
        *,
        energy: Energy,
        integrator: Integrator,
        weights: Tensor | None = None,
        velocities: Tensor | None = None,
        features: Mapping[str, Tensor] | None = None,
        generator: torch.Generator | None = None,
        schedules: Mapping[str, Schedule] | None = None,
    ) -> None:
        super().__init__()
        check_instance("energy", energy, Energy)
        check_instance("integrator", integrator, Integrator)
        energy.check(positions, weights)
        check_masses(weights, "weights")
        _check_finite(positions)
        self.energy = energy
        self.integrator = integrator
        self.generator = generator
        self.carry = nn.Module()
        self.register_module("features", None)  # a module of buffers, where there are features
        self._step = 0
        for name in _BUFFERS:
            self.register_buffer(name, None)
        self.register_load_state_dict_pre_hook(_prepare_to_load)  # type: ignore[no-untyped-call]
        uniform = positions.new_full(positions.shape[:1], 1.0 / max(len(positions), 1))
        masses = uniform if weights is None else weights
        self._schedules = Schedules(self, schedules or {})
        state = State(positions, masses, velocities, features={} if features is None else features)
        self.state = self._prepared(_inside(state, self.boundary))

    @property
    def boundary(self) -> Boundary:
        """The domain, which is the energy's."""
        return self.energy.boundary

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "boundary":  # a module of that name would be registered and then ignored
            raise AttributeError("the boundary of a system is its energy's")
        if name in ("state", "_step"):  # set at each step, and nothing that a module registers
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """What changes from step to step, by name."""
        return self._schedules.by_name

    @property
    def dynamics(self) -> Dynamics:
        """What the integrator sees of the system."""
        return _EnergyDynamics(self.energy, self.boundary)

    @property
    def state(self) -> State:
        """The state now; assign another to go on from there."""
        carry = dict(self.carry.named_buffers(remove_duplicate=False))
        features = self._feature_buffers()
        return State(self.positions, self.weights, self.velocities, self.time, self._step, carry, features)

    @state.setter
    def state(self, state: State) -> None:
        for name in _BUFFERS:
            tensor = getattr(state, name)
            self._buffers[name] = None if tensor is None else tensor.detach()
        self._step = state.step
        if self.carry._buffers.keys() != state.carry.keys():
            self.carry = nn.Module()
        for name, tensor in state.carry.items():
            self.carry.register_buffer(name, tensor.detach())
        features = self._feature_buffers()
        if features.keys() != state.features.keys():
            self.features = nn.Module() if state.features else None
            features = self._feature_buffers()
        for name, tensor in state.features.items():  # register_buffer refuses what modules have, such as `type`
            features[name] = tensor.detach()

    def step(self, state: State) -> State:
        """The state that follows another: pure, and differentiable in the state and in all parameters.

        The system itself stays as it is, apart from its generator, from which noise is drawn.
        """
        self._schedules.apply(state.step)
        return self.integrator.step(self._prepared(state), self.dynamics, self.generator)

    @torch.no_grad()
    def simulate(
        self,
        steps: int,
        save_every: int | None = None,
        callbacks: Iterable[Callback] = (),
        progress: bool | None = None,
        *,
        observables: Mapping[str, Observable] | None = None,
        out: FrameStore | None = None,
        resume: bool = False,
    ) -> Solution:
        """Advance the system in place, without a graph; ``simulate(a)``, then ``simulate(b)`` is ``simulate(a + b)``.

        However it ends, by an error or a keyboard interrupt too, the system holds the last good state.

        Args:
            steps: how many steps to make.
            save_every: steps between two frames; the start and the end are frames always, and alone with None. Each
                frame costs an evaluation of the energy.
            callbacks: functions called with the state after each step, in order.
            progress: show a progress bar; None shows it in notebooks and in terminals.
            observables: functions of a state whose values are kept with each frame, by name.
            out: where frames go, such as an `fl.RunFolder`, which survives a kill; None for memory.
            resume: go on with the run in ``out``, which was started with the same arguments and broken off. The system
                takes the state that was saved last, and the whole run equals one that was never broken, bit for bit.

        Returns:
            The ``1 + ⌈steps / save_every⌉`` frames.

        Raises:
            NonFiniteError: if a position becomes infinite or NaN; it names the step, the particles and the term of the
                energy.
            RunStoppedError: if a callback asked the run to stop; what ``out`` keeps can be resumed from that step.
        """
        plan, callbacks, store = FramePlan(steps, save_every), tuple(callbacks), MemoryStore() if out is None else out
        check_observables(observables)
        start = time.perf_counter()
        with store.recording(self, plan, resume) as writer, backends_used() as used:
            if writer.steps_done == 0:
                self._record(writer, self.state, observables)
            with progress_bar(steps, progress, writer.steps_done) as report:

                def after_step(count: int, state: State) -> None:
                    if plan.saves(count):
                        self._record(writer, state, observables)
                    self._schedules.apply(state.step)
                    for callback in (report, *callbacks):  # a callback may end the run
                        callback(state)
                    writer.after_step(state)

                advance(
                    self,
                    is_over=lambda count: count >= steps,
                    is_checked=plan.saves,
                    after_step=after_step,
                    steps_made=writer.steps_done,
                )
            return writer.finish(_stats(steps, time.perf_counter() - start, used, before=writer.steps_done))

    def rollout(
        self,
        steps: int,
        *,
        state: State | None = None,
        gradient: Gradient = "full",
        window: int | None = None,
        save_every: int | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> MemorySolution:
        """The same steps with their graph kept, to differentiate what they lead to. The system stays where it is.

        Args:
            steps: how many steps to make.
            state: where to start; None for the system's state. Gradients flow into its tensors.
            gradient: ``"full"`` keeps the graph of all steps, which takes memory in proportion to them;
                ``"checkpoint"`` has the same gradients from memory in proportion to √steps and to the frames, and makes
                each step twice; ``"truncated"`` keeps the last ``window`` steps of any influence, and forgets the rest.
            window: how far back truncated gradients reach, in steps.
            save_every: as in `simulate`.
            callbacks: as in `simulate`; a `GradientNorms` among them tells how gradients grow with the horizon.

        Returns:
            The frames and their energies, all differentiable.

        Raises:
            ArgumentError: if gradients cannot flow through the integrator's steps, with the reason.
        """
        plan, writer, callbacks = FramePlan(steps, save_every), MemoryWriter(self.boundary), tuple(callbacks)
        mode = gradient_mode(gradient, steps=steps, window=window, generator=self.generator)
        self._check_differentiable()
        start = time.perf_counter()
        state = self._prepared(self.state if state is None else state)
        frames = [count for count in range(1, steps + 1) if plan.saves(count)]
        with backends_used() as used:
            self._record(writer, state)
            for frame in iterate_frames(
                self.step, state, frames, mode, lambda made: [call(made) for call in callbacks]
            ):
                self._record(writer, frame)
        return writer.finish(_stats(steps, time.perf_counter() - start, used))

    def get_extra_state(self) -> dict[str, Any]:
        """What a state_dict holds beside tensors: the number of steps, and the generator's state."""
        return {"step": self._step, "generator": None if self.generator is None else self.generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_extra_state` gave."""
        self._step = state["step"]
        noise = state["generator"]
        if noise is None:
            return
        if self.generator is None:
            remedy = "Give one: ParticleSystem(..., generator=torch.Generator())."
            raise ArgumentError("generator", came=None, wanted="a generator, as the state_dict has", remedy=remedy)
        self.generator.set_state(noise.cpu())

    def _prepared(self, state: State) -> State:
        """The state with what the integrator's `init` adds, and with all that it had before."""
        fresh = self.integrator.init(state)
        if fresh is state:
            return state
        velocities = fresh.velocities if state.velocities is None else state.velocities
        return fresh.replace(velocities=velocities, carry={**fresh.carry, **state.carry})

    def _feature_buffers(self) -> dict[str, Tensor]:
        return {} if self.features is None else cast(dict[str, Tensor], self.features._buffers)

    def _check_differentiable(self) -> None:
        obstacle = self.integrator.not_differentiable_reason() if torch.is_grad_enabled() else None
        if obstacle is not None:
            came = f"{type(self.integrator).__name__}: {obstacle}"
            remedy = "Take one of the other integrators, or simulate()."
            raise ArgumentError(
                "integrator", came=came, wanted="one whose steps can be differentiated, for a rollout", remedy=remedy
            )

    def _record(self, writer: FrameWriter, state: State, observables: Mapping[str, Observable] | None = None) -> None:
        self._schedules.apply(state.step)
        observed = {name: observe(state) for name, observe in (observables or {}).items()}
        heading(observed)  # raises where a table of the run would have two columns of one name
        energy = self.energy(*self.energy.arguments(state.positions, state.weights, state.features))
        writer.write_frame(state, {**observed, ENERGY: energy})


def _stats(steps: int, seconds: float, used: Counter[str], before: int = 0) -> dict[str, Any]:
    """How a run of so many steps went, some of which were made before it was resumed, and which backends summed."""
    run = {"steps": steps, "steps_before": before, "seconds": seconds}
    run["steps_per_second"] = (steps - before) / seconds if steps > before else 0.0
    return {**run, "sums": sums_made(used)}


@dataclass(slots=True)
class _EnergyDynamics:
    """The gradient flow of an energy in its domain."""

    energy: Energy
    boundary: Boundary

    def velocity(self, state: State) -> Tensor:
        return self.energy.velocity(*self.energy.arguments(state.positions, state.weights, state.features))

    def wrap(self, positions: Tensor) -> Tensor:
        return self.boundary.wrap(positions)

    def reflect(self, positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
        return self.boundary.reflect(positions, velocities)


def _prepare_to_load(module: nn.Module, tensors: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Make room for a state_dict: its carry has names of its own, and states handed out earlier must not change."""
    system = cast(ParticleSystem, module)
    theirs = {name.removeprefix(prefix + FEATURES) for name in tensors if name.startswith(prefix + FEATURES)}
    if theirs != system.state.features.keys():
        wanted = f"those of the system, {sorted(system.state.features)}"
        raise ArgumentError("features", came=f"a state_dict with {sorted(theirs)}", wanted=wanted)
    within = prefix + CARRY
    carry = {
        name.removeprefix(within): tensor.to(system.positions.device if tensor.ndim else tensor.device, copy=True)
        for name, tensor in tensors.items()
        if name.startswith(within)
    }
    own = {name: tensor.clone() for name, tensor in system.state.to_dict().items() if not name.startswith(CARRY)}
    system.state = State.from_dict({**own, **{CARRY + name: tensor for name, tensor in carry.items()}})


def _inside(state: State, boundary: Boundary) -> State:
    """A copy of a state, brought inside the domain."""
    state = State.from_dict({name: tensor.clone() for name, tensor in state.to_dict().items()})
    if state.velocities is None:
        return state.replace(positions=boundary.wrap(state.positions))
    positions, velocities = boundary.reflect(state.positions, state.velocities)
    return state.replace(positions=positions, velocities=velocities)


def _check_finite(positions: Tensor) -> None:
    broken = (~positions.isfinite().all(-1)).nonzero().flatten().tolist()
    if broken:
        came = f"{len(broken)} points that are not finite, the first at index {broken[0]}"
        raise ArgumentError("positions", came=came, wanted="finite coordinates")
