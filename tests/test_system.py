import copy

import pytest
import torch

import interflow.run
from interflow import (
    AdaptiveRungeKutta,
    ArgumentError,
    DistanceKernel,
    Euler,
    EulerMaruyama,
    ExternalEnergy,
    GaussianKernel,
    Integrator,
    InteractionEnergy,
    InversePowerKernel,
    Momentum,
    NamedOptimizer,
    NonFiniteError,
    OpenBoundary,
    ParticleSystem,
    PeriodicBoundary,
    RungeKutta4,
    State,
)
from tests.flows import cloud, generator, masses, repulsion, same, torus_system, well


def test_the_seed_tour_is_reproduced():
    """Z ← bc(Z − τ Speed(Z)) with Speed(Z) = 2/(nσ²) Σⱼ exp(−r²/2σ²) δ(Zᵢ, Zⱼ), as the seed writes it."""
    n, sigma, tau = 50, 0.1, 1 / 200
    expected = cloud(n)
    for _ in range(20):
        difference = torch.remainder(expected[:, None, :] - expected[None, :, :] - 0.5, 1.0) - 0.5
        psi = (-difference.square().sum(-1) / (2 * sigma**2)).exp()
        speed = 2 / n / sigma**2 * (psi[:, :, None] * difference).sum(1)
        expected = torch.remainder(expected - tau * speed, 1.0)
    attraction = -2.0 * InteractionEnergy(GaussianKernel(sigma), boundary=PeriodicBoundary(1.0))
    system = ParticleSystem(cloud(n), energy=attraction, integrator=Euler(tau))
    torch.testing.assert_close(system.simulate(20, progress=False).positions[-1], expected, rtol=0.0, atol=1e-12)


def test_weights_are_uniform_by_default():
    assert torch.equal(torus_system(Euler(0.1)).state.weights, torch.full((12,), 1 / 12, dtype=torch.float64))


def test_the_boundary_is_the_energys_and_cannot_be_set():
    system = torus_system(Euler(0.1))
    assert system.boundary is system.energy.boundary
    with pytest.raises(AttributeError):
        system.boundary = OpenBoundary()


def test_what_the_caller_gave_is_never_changed():
    positions, weights, velocities = cloud(), masses(), cloud(seed=1)
    system = ParticleSystem(
        positions, energy=repulsion(), integrator=Momentum(0.1, 1.0), weights=weights, velocities=velocities
    )
    system.simulate(2, progress=False)
    system.load_state_dict(system.state_dict())
    assert torch.equal(positions, cloud())
    assert torch.equal(weights, masses())
    assert torch.equal(velocities, cloud(seed=1))


def test_points_outside_the_domain_are_wrapped_into_it():
    inside, outside = (torus_system(Euler(0.1), positions=cloud() + shift) for shift in (0.0, 3.0))
    torch.testing.assert_close(inside.state.positions, outside.state.positions, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("positions", {"positions": cloud()[:, 0]}),
        ("positions", {"positions": torch.full((3, 2), float("nan"))}),
        ("weights", {"weights": masses(count=3)}),
        ("weights", {"weights": masses() - 1.0}),
        ("weights", {"weights": masses().float()}),
        ("velocities", {"velocities": cloud()}),
        ("integrator", {"integrator": 0.1}),
        ("energy", {"energy": GaussianKernel(1.0)}),
    ],
)
def test_what_cannot_be_used_is_named(name, options):
    arguments = {"positions": cloud(), "energy": repulsion(), "integrator": Euler(0.1), **options}
    with pytest.raises(ArgumentError) as caught:
        ParticleSystem(arguments.pop("positions"), **arguments)
    assert caught.value.argument == name


def test_a_step_size_that_is_not_positive_is_named():
    for method in (Euler, RungeKutta4, AdaptiveRungeKutta):
        with pytest.raises(ArgumentError, match="`step_size`"):
            method(step_size=0.0)


def test_a_step_size_can_be_assigned_between_runs():
    system = torus_system(Euler(0.1))
    system.simulate(1, progress=False)
    system.integrator.step_size = 0.5
    assert system.simulate(1, progress=False).times.tolist() == [0.1, 0.6]


def test_callbacks_see_every_step_and_the_system_as_it_is_then():
    system, seen = torus_system(Euler(0.1)), []
    system.simulate(4, callbacks=[lambda state: seen.append((state.step, same(state, system.state)))], progress=False)
    assert seen == [(1, True), (2, True), (3, True), (4, True)]


def test_an_assigned_state_is_where_the_system_goes_on():
    system = torus_system(EulerMaruyama(0.1, 0.1))
    middle = system.simulate(3, progress=False).final
    noise = system.generator.get_state()
    first = system.simulate(3, progress=False).final
    system.state = middle
    system.generator.set_state(noise)
    assert same(system.simulate(3, progress=False).final, first)


class TestInterrupted:
    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, RuntimeError])
    def test_an_exception_in_a_callback_keeps_the_last_step(self, interrupt):
        def stop(state):
            if state.step == 3:
                raise interrupt

        system, unbroken = (torus_system(EulerMaruyama(0.1, 0.1)) for _ in range(2))
        with pytest.raises(interrupt):
            system.simulate(10, callbacks=[stop], progress=False)
        assert system.state.step == 3
        system.simulate(7, progress=False)
        unbroken.simulate(10, progress=False)
        assert same(system.state, unbroken.state)

    def test_an_interrupt_in_the_middle_of_a_step_takes_back_its_noise(self):
        def interrupted_wrap(positions):
            system.calls += 1
            if system.calls == 4:
                raise KeyboardInterrupt
            return wrap(positions)

        system, unbroken = (torus_system(EulerMaruyama(0.1, 0.1)) for _ in range(2))
        wrap, system.calls, system.boundary.wrap = system.boundary.wrap, 0, interrupted_wrap
        with pytest.raises(KeyboardInterrupt):
            system.simulate(10, progress=False)
        assert system.state.step == 3
        system.simulate(7, progress=False)
        unbroken.simulate(10, progress=False)
        assert same(system.state, unbroken.state)


class TestNotFinite:
    @pytest.fixture(params=[1, 32], ids=["checked each step", "checked every 32 steps"], autouse=True)
    def interval(self, request, monkeypatch):
        monkeypatch.setitem(interflow.run.CHECK_INTERVAL, "cpu", request.param)

    def test_the_run_stops_at_the_first_bad_step_and_names_particles_and_term(self):
        cliff = ExternalEnergy(lambda x: (1.05 - x[:, 0]).sqrt())
        system = ParticleSystem(
            torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]),
            energy=repulsion() + cliff,
            integrator=EulerMaruyama(0.02, 1e-8),
            generator=generator(),
        )
        twin = copy.deepcopy(system)
        with pytest.raises(NonFiniteError, match="after step") as caught:
            system.simulate(50, progress=False)
        error = caught.value
        assert error.particles == [1]
        assert "ExternalEnergy" in error.term
        assert "velocity" in error.term
        assert f"step {error.step}" in str(error)
        assert system.state.step == error.step - 1
        assert system.state.is_finite()
        twin.simulate(error.step - 1, progress=False)
        assert same(system.state, twin.state)
        assert torch.equal(system.generator.get_state(), twin.generator.get_state())

    def test_a_step_that_overflows_is_told_from_an_energy_that_does(self):
        system = ParticleSystem(cloud(dtype=torch.float32), energy=well(1e15), integrator=Euler(1e-3))
        system.simulate(1, progress=False)
        system.integrator.step_size = 1e15
        with pytest.raises(NonFiniteError, match="the velocity of every term is finite") as caught:
            system.simulate(40, progress=False)
        assert caught.value.particles == list(range(12))
        assert system.state.step == caught.value.step - 1 == 1

    def test_an_adaptive_step_names_the_term_too(self):
        cliff = ExternalEnergy(lambda x: (x[:, 0] - 2.0).sqrt())
        system = ParticleSystem(cloud(), energy=cliff, integrator=AdaptiveRungeKutta(0.1))
        with pytest.raises(NonFiniteError, match="the velocity of the term ExternalEnergy"):
            system.simulate(5, progress=False)
        assert system.state.step == 0

    def test_particles_that_meet_under_a_singular_kernel_hear_of_the_usual_causes(self):
        energy = InteractionEnergy(InversePowerKernel(exponent=60.0))
        system = ParticleSystem(1e-12 * cloud(), energy=energy, integrator=Euler(1.0))
        with pytest.raises(NonFiniteError, match="singular where particles meet"):
            system.simulate(3, progress=False)

    def test_an_exception_before_the_check_goes_back_to_a_finite_state(self):
        def stop(state):
            if not state.is_finite():
                raise KeyboardInterrupt

        system = ParticleSystem(cloud(dtype=torch.float32), energy=well(1e30), integrator=Euler(1.0))
        with pytest.raises((KeyboardInterrupt, NonFiniteError)):
            system.simulate(40, callbacks=[stop], progress=False)
        assert system.state.is_finite()


class TestCheckpoint:
    def test_the_names_in_a_state_dict(self):
        system = torus_system(NamedOptimizer("adam", 0.1))
        system.simulate(1, progress=False)
        names = system.state_dict().keys()
        assert {"positions", "weights", "time", "carry.optimizer_exp_avg", "_extra_state"} < names

    def test_a_state_handed_out_earlier_does_not_change_when_another_is_loaded(self):
        system = torus_system(Momentum(0.1, 1.0))
        start = system.state_dict()
        system.simulate(2, progress=False)
        held, copied = system.state, copy.deepcopy(system.state.to_dict())
        system.load_state_dict(start)
        assert system.state.step == 0
        assert all(torch.equal(tensor, copied[name]) for name, tensor in held.to_dict().items())

    def test_a_checkpoint_of_another_number_of_particles_is_refused_by_name(self):
        with pytest.raises(RuntimeError, match="size mismatch for positions"):
            torus_system(Euler(0.1)).load_state_dict(torus_system(Euler(0.1), positions=cloud(5)).state_dict())

    def test_noise_in_a_checkpoint_needs_a_generator(self):
        bare = ParticleSystem(cloud(), energy=-2.0 * repulsion(PeriodicBoundary(1.0)), integrator=Euler(0.1))
        with pytest.raises(ArgumentError, match="`generator`"):
            bare.load_state_dict(torus_system(Euler(0.1)).state_dict())

    def test_a_system_inside_another_module_is_saved_with_it(self):
        pair, other = (torch.nn.ModuleList([torus_system(NamedOptimizer("adam", 0.1))]) for _ in range(2))
        pair[0].simulate(3, progress=False)
        other.load_state_dict(pair.state_dict())
        assert same(other[0].state, pair[0].state)

    def test_a_deep_copy_goes_its_own_way(self):
        system = torus_system(EulerMaruyama(0.1, 0.1))
        twin = copy.deepcopy(system)
        start = system.state
        first = twin.simulate(3, progress=False).final
        assert same(system.state, start)
        twin.load_state_dict(system.state_dict())
        assert same(twin.simulate(3, progress=False).final, first)

    def test_another_dtype_is_one_call_away(self):
        system = torus_system(NamedOptimizer("adam", 0.1))
        system.simulate(2, progress=False)
        system.to(torch.float32)
        assert system.simulate(2, progress=False).positions.dtype == torch.float32


class TestRollout:
    def test_gradients_reach_positions_weights_kernel_and_step_size(self):
        energy = InteractionEnergy(GaussianKernel(0.4, learnable=True))
        integrator = Euler(0.1, learnable=True)
        system = ParticleSystem(cloud(5), energy=energy, integrator=integrator)
        names = [name for name, _ in system.named_parameters()]

        def end(positions, weights, *parameters):
            state = system.state.replace(positions=positions, weights=weights)
            values = {f"system.{name}": value for name, value in zip(names, parameters, strict=True)}
            return torch.func.functional_call(End(system), values, (state,))

        inputs = [cloud(5).requires_grad_(), masses(5).requires_grad_()]
        inputs += [parameter.detach().clone().requires_grad_() for parameter in system.parameters()]
        assert len(inputs) == 4
        assert torch.autograd.gradcheck(end, inputs)

    def test_the_system_stays_where_it_is(self):
        system = torus_system(NamedOptimizer("adam", 0.1))
        start = system.state
        system.rollout(3)
        assert same(system.state, start)

    def test_it_goes_on_from_the_end_of_a_run(self):
        system, unbroken = (torus_system(AdaptiveRungeKutta(0.1)) for _ in range(2))
        middle = system.rollout(2).final
        rolled = system.rollout(2, state=middle).final
        torch.testing.assert_close(
            rolled.positions, unbroken.simulate(4, progress=False).positions[-1], rtol=0.0, atol=1e-13
        )
        assert rolled.step == 4

    def test_the_energies_of_frames_are_differentiable(self):
        system = torus_system(Euler(0.1))
        start = system.state.replace(positions=cloud().requires_grad_())
        solution = system.rollout(2, state=start, save_every=1)
        (slope,) = torch.autograd.grad(solution.energies[-1], start.positions)
        assert slope.isfinite().all()
        assert slope.abs().max() > 0

    def test_a_gradient_mode_that_is_not_there_is_refused(self):
        with pytest.raises(ArgumentError, match="`gradient`"):
            torus_system(Euler(0.1)).rollout(1, gradient="none")


class End(torch.nn.Module):
    """The end of a rollout as a module's value, for `torch.func.functional_call`."""

    def __init__(self, system):
        super().__init__()
        self.system = system

    def forward(self, state):
        return self.system.rollout(2, state=state).positions[-1]


def test_simulating_keeps_no_graph():
    energy = InteractionEnergy(GaussianKernel(0.4, learnable=True))
    system = ParticleSystem(cloud(), energy=energy, integrator=Euler(0.1, learnable=True))
    solution = system.simulate(2, progress=False)
    assert not any(tensor.requires_grad for tensor in (solution.positions, solution.energies, system.state.time))


def test_positions_with_a_graph_are_taken_without_it():
    system = torus_system(Euler(0.1), positions=cloud().requires_grad_())
    assert not system.state.positions.requires_grad


def test_an_integrator_that_always_starts_afresh_keeps_its_carry_all_the_same():
    class Counting(Integrator):
        def init(self, state):
            return state.replace(carry={"count": torch.zeros(())})

        def step(self, state, dynamics, generator):
            return state.replace(step=state.step + 1, carry={"count": state.carry["count"] + 1})

    system = torus_system(Counting())
    system.simulate(2, progress=False)
    assert system.rollout(3).final.carry["count"] == 5


def test_a_bare_state_can_be_stepped_by_any_integrator():
    for integrator in (AdaptiveRungeKutta(0.1), Momentum(0.1, 1.0), NamedOptimizer("adam", 0.1)):
        system = torus_system(integrator)
        assert system.step(State(cloud(), masses())).step == 1


def test_a_run_reports_the_backends_that_summed_and_how_often():
    energy = InteractionEnergy(DistanceKernel(), backend="dense")
    system = ParticleSystem(cloud(6)[:, :1], energy=energy, integrator=Euler(0.1))

    def sort_from_now_on(state):
        energy.backend = "sorted"

    stats = system.simulate(4, callbacks=[sort_from_now_on]).stats
    assert stats["sums"] == [{"backend": "sorted", "count": 4}, {"backend": "dense", "count": 2}]
