"""The laws of an integrator."""

from __future__ import annotations

import io
from abc import abstractmethod

import pytest
import torch
from torch import Tensor

from interflow.boundaries import Boundary, PeriodicBoundary, ReflectingBoundary
from interflow.energies import InteractionEnergy
from interflow.errors import ArgumentError
from interflow.integrators import Integrator
from interflow.kernels import GaussianKernel
from interflow.state import State
from interflow.system import ParticleSystem
from interflow.testing.modules import ModuleSuite
from interflow.testing.reference import cloud


class IntegratorSuite(ModuleSuite):
    """The laws of an integrator as tests, for a class named ``Test…`` that gives `make`.

    Steps are pure; a run in two parts, or from a state_dict, is the unbroken run bit for bit; every frame lies in the
    domain; a rollout has the gradients of finite differences, or is refused with the reason.

    Attributes:
        rollout_error: how far a rollout may be from the simulation, for methods that round otherwise where they are
            differentiated.

    Example:
        >>> from interflow import Heun
        >>> class TestMyIntegrator(IntegratorSuite):
        ...     def make(self):
        ...         return Heun(step_size=0.01)
    """

    rollout_error: float = 1e-12

    @abstractmethod
    def make(self) -> Integrator:
        """A new integrator with small steps, alike each time."""

    def behaviour(self, member: Integrator) -> list[Tensor]:
        return list(_simulated(self.system(member), 2).to_dict().values())

    def system(
        self,
        integrator: Integrator | None = None,
        boundary: Boundary | None = None,
        *,
        count: int = 12,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> ParticleSystem:
        """A cloud in the unit square that attracts itself."""
        energy = -2.0 * InteractionEnergy(GaussianKernel(0.1), boundary=boundary or PeriodicBoundary(1.0))
        return ParticleSystem(
            cloud(count, 2, seed).to(dtype),
            energy=energy,
            integrator=self.make() if integrator is None else integrator,
            generator=torch.Generator().manual_seed(seed),
        )

    def test_a_step_leaves_the_state_that_it_starts_from(self) -> None:
        system = self.system()
        state = _simulated(system, 2)
        before = {name: tensor.clone() for name, tensor in state.to_dict().items()}
        with torch.no_grad():
            after = system.step(state)
        assert all(torch.equal(before[name], tensor) for name, tensor in state.to_dict().items())
        assert after.step == state.step + 1
        assert after.time > state.time

    def test_two_runs_are_one(self) -> None:
        whole, parts = self.system(), self.system()
        parts.simulate(3, save_every=1, progress=False)
        _assert_same(_simulated(parts, 4), _simulated(whole, 7))

    def test_a_state_dict_taken_in_the_middle_goes_on_bit_for_bit(self) -> None:
        system, resumed = self.system(), self.system(seed=9)
        system.simulate(3, progress=False)
        file = io.BytesIO()
        torch.save(system.state_dict(), file)
        file.seek(0)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        _assert_same(_simulated(resumed, 4), _simulated(system, 4))

    @pytest.mark.parametrize("boundary", [PeriodicBoundary(1.0), ReflectingBoundary(0.0, 1.0)], ids=["torus", "box"])
    def test_every_frame_lies_in_the_domain(self, boundary: Boundary) -> None:
        solution = self.system(boundary=boundary).simulate(20, save_every=1, progress=False)
        positions = torch.stack([solution[frame].positions for frame in range(21)])
        assert bool(((positions >= 0.0) & (positions <= 1.0)).all())
        assert bool((positions[-1] != positions[0]).any())

    @pytest.mark.parametrize("count", [0, 1])
    def test_no_particle_and_one_particle_are_ordinary(self, count: int) -> None:
        assert self.system(count=count).simulate(2, progress=False).positions.shape == (2, count, 2)

    def test_single_positions_stay_single_and_time_double(self) -> None:
        state = _simulated(self.system(dtype=torch.float32), 2)
        assert (state.positions.dtype, state.time.dtype) == (torch.float32, torch.float64)

    def test_a_rollout_is_the_simulation(self) -> None:
        rolled = self._rollout(self.system()).positions.detach()
        simulated = _simulated(self.system(), 3).positions
        torch.testing.assert_close(rolled, simulated, rtol=0.0, atol=self.rollout_error)

    def test_a_rollout_has_the_gradient_of_differences(self) -> None:
        system = self.system(count=3)
        noise = system.generator.get_state() if system.generator else None

        def end(positions: Tensor) -> Tensor:
            if system.generator is not None and noise is not None:
                system.generator.set_state(noise)
            return self._rollout(system, system.state.replace(positions=positions)).positions

        assert torch.autograd.gradcheck(end, (cloud(3, 2, 0).requires_grad_(),))

    def test_a_checkpointed_rollout_has_the_same_gradient(self) -> None:
        gradients = []
        for mode in ("full", "checkpoint"):
            system, positions = self.system(), cloud(12, 2, 0).requires_grad_()
            end = self._rollout(system, system.state.replace(positions=positions), checkpoint=mode == "checkpoint")
            gradients.append(torch.autograd.grad(end.positions.square().sum(), positions)[0])
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-13)

    def _rollout(self, system: ParticleSystem, state: State | None = None, *, checkpoint: bool = False) -> State:
        """The state after three differentiated steps; skips, with the reason, where the integrator refuses them."""
        obstacle = system.integrator.not_differentiable_reason()
        if obstacle is None:
            return system.rollout(3, state=state, gradient="checkpoint" if checkpoint else "full").final
        with pytest.raises(ArgumentError, match="`integrator`"):
            system.rollout(3, state=state)
        pytest.skip(obstacle)


def _simulated(system: ParticleSystem, steps: int) -> State:
    return system.simulate(steps, progress=False).final


def _assert_same(state: State, other: State) -> None:
    """Equal bit for bit."""
    ours, theirs = state.to_dict(), other.to_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
