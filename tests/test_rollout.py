"""Rollouts: three ways to the same gradients, at different costs of memory."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from interflow import (
    AdaptiveRungeKutta,
    ArgumentError,
    DistanceKernel,
    Euler,
    EulerMaruyama,
    GaussianKernel,
    GradientNorms,
    Heun,
    InteractionEnergy,
    Momentum,
    NamedOptimizer,
    ParticleSystem,
    PeriodicBoundary,
    ReflectingBoundary,
)
from tests.covers import in_pairs
from tests.flows import cloud, generator, masses

INTEGRATORS = {
    "euler": lambda: Euler(0.02, learnable=True),
    "heun": lambda: Heun(0.02, learnable=True),
    "adaptive": lambda: AdaptiveRungeKutta(0.02, learnable=True),
    "momentum": lambda: Momentum(0.02, friction=1.0, learnable=True),
    "euler_maruyama": lambda: EulerMaruyama(0.02, temperature=0.05, learnable=True),
    "adam": lambda: NamedOptimizer("adam", 0.02),
}
BOUNDARIES = {"torus": PeriodicBoundary(1.0), "box": ReflectingBoundary(0.0, 1.0)}


def learnable_system(integrator, boundary=None, count=12, backend="dense", learnable=True):
    kernel = GaussianKernel(0.1, learnable=True) if learnable else DistanceKernel()
    energy = -2.0 * InteractionEnergy(kernel, boundary=boundary or PeriodicBoundary(1.0), backend=backend)
    return ParticleSystem(cloud(count), energy=energy, integrator=integrator, generator=generator())


def gradients(system, steps, *, save_every=None, energies=True, **options):
    """Of a function of all frames, and of their energies if wanted, by positions, weights and all parameters."""
    start = system.state.replace(positions=cloud().requires_grad_(), weights=masses().requires_grad_())
    solution = system.rollout(steps, state=start, save_every=save_every, **options)
    loss = solution.positions.square().sum() + solution.times[-1] + (solution.energies.sum() if energies else 0.0)
    return loss.detach(), *torch.autograd.grad(loss, [start.positions, start.weights, *system.parameters()])


@in_pairs("name, boundary, save_every", list(INTEGRATORS), list(BOUNDARIES), [None, 3])
def test_a_checkpointed_rollout_has_the_value_and_the_gradients_of_the_full_one(name, boundary, save_every):
    full, checkpointed = (
        gradients(learnable_system(INTEGRATORS[name](), BOUNDARIES[boundary]), 11, gradient=mode, save_every=save_every)
        for mode in ("full", "checkpoint")
    )
    torch.testing.assert_close(checkpointed, full, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("backend", "learnable"),
    [("compiled", True), ("keops", False), pytest.param("keops", True, marks=pytest.mark.full)],
)
@pytest.mark.slow
def test_checkpointed_gradients_are_the_same_on_backends_that_generate_code(backend, learnable):
    """Each backend with positions, weights and step size; a learnable kernel and energies, which double what is
    compiled, on `compiled`, and with --full on KeOps, which here shares a formula with the tests of its sums.
    """
    full, checkpointed = (
        gradients(
            learnable_system(Euler(0.02, learnable=True), backend=using, learnable=learnable),
            5,
            gradient=mode,
            energies=learnable,
        )
        for using, mode in (("dense", "full"), (backend, "checkpoint"))
    )
    torch.testing.assert_close(checkpointed, full, rtol=1e-10, atol=1e-12)


def test_checkpointed_gradients_are_the_same_on_a_fourier_series():
    def system():
        torus = PeriodicBoundary(1.0, images="all")
        energy = InteractionEnergy(
            GaussianKernel(0.1, learnable=True), boundary=torus, backend="fourier", tolerance=1e-9
        )
        return ParticleSystem(cloud(12), energy=-2.0 * energy, integrator=Euler(0.02, learnable=True))

    full, checkpointed = (gradients(system(), 7, gradient=mode, save_every=3) for mode in ("full", "checkpoint"))
    exact = gradients(
        learnable_system(Euler(0.02, learnable=True), PeriodicBoundary(1.0, images="all")), 7, save_every=3
    )
    torch.testing.assert_close(checkpointed, full, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(full, exact, rtol=1e-6, atol=1e-8)


def test_a_window_over_the_whole_rollout_truncates_nothing():
    full, truncated = (
        gradients(learnable_system(Euler(0.02, learnable=True)), 7, save_every=2, **options)
        for options in ({"gradient": "full"}, {"gradient": "truncated", "window": 7})
    )
    torch.testing.assert_close(truncated, full, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_a_truncated_gradient_of_the_end_is_that_of_a_rollout_of_the_window_alone(window):
    def by_parameters(system, steps, **options):
        loss = system.rollout(steps, **options).positions[-1].square().sum()
        return torch.autograd.grad(loss, list(system.parameters()))

    system = learnable_system(Euler(0.02, learnable=True))
    with torch.no_grad():
        middle = system.rollout(7 - window).final
    expected = by_parameters(system, window, state=middle)
    torch.testing.assert_close(
        by_parameters(system, 7, gradient="truncated", window=window), expected, rtol=1e-12, atol=1e-14
    )


def test_a_truncated_gradient_reaches_no_state_before_its_window():
    system = learnable_system(Euler(0.02))
    start = system.state.replace(positions=cloud().requires_grad_())
    end = system.rollout(7, state=start, gradient="truncated", window=3).final.positions
    assert torch.autograd.grad(end.sum(), start.positions, allow_unused=True) == (None,)


@pytest.mark.parametrize("gradient", ["full", "checkpoint", "truncated"])
def test_the_noise_drawn_and_the_generator_left_behind_are_those_of_the_simulation(gradient):
    system, twin = (learnable_system(EulerMaruyama(0.02, temperature=0.05)) for _ in range(2))
    rolled = system.rollout(7, gradient=gradient, window=3 if gradient == "truncated" else None, save_every=2)
    simulated = twin.simulate(7, save_every=2, progress=False)
    torch.testing.assert_close(rolled.positions.detach(), simulated.positions, rtol=0, atol=1e-13)
    rolled.positions.sum().backward()
    assert torch.equal(system.generator.get_state(), twin.generator.get_state())


def test_noise_drawn_between_the_rollout_and_its_gradient_changes_neither():
    gradients_drawn = []
    for draws in (0, 5):
        system = learnable_system(EulerMaruyama(0.02, temperature=0.05))
        loss = system.rollout(7, gradient="checkpoint").positions[-1].square().sum()
        torch.randn(draws, generator=system.generator)
        before = system.generator.get_state()
        gradients_drawn.append(torch.autograd.grad(loss, list(system.parameters())))
        assert torch.equal(system.generator.get_state(), before)
    assert torch.equal(*(torch.stack(drawn) for drawn in gradients_drawn))


def test_a_checkpointed_rollout_can_be_differentiated_twice():
    curvatures = []
    for mode in ("full", "checkpoint"):
        system = learnable_system(Euler(0.02))
        loss = system.rollout(5, gradient=mode).positions[-1].square().sum()
        (slope,) = torch.autograd.grad(loss, list(system.parameters()), create_graph=True)
        curvatures.append(torch.autograd.grad(slope, list(system.parameters()))[0])
    torch.testing.assert_close(*curvatures, rtol=1e-10, atol=0.0)


def saved_bytes(system, steps, gradient):
    """What the graph of a rollout holds, counted as it is saved, each piece of memory once."""
    sizes = {}

    def pack(tensor):
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        end = system.rollout(steps, gradient=gradient).positions[-1]
        counted = sum(sizes.values())
    assert end.requires_grad
    return counted


def test_the_graph_of_a_checkpointed_rollout_grows_as_the_square_root_of_its_steps():
    system = learnable_system(Euler(0.001), count=100)
    short, long = (saved_bytes(system, steps, "checkpoint") for steps in (16, 64))
    assert long <= 2.2 * short
    assert long <= saved_bytes(system, 64, "full") / 5


class TestGradientNorms:
    @pytest.mark.parametrize("gradient", ["full", "checkpoint"])
    def test_they_are_those_of_rollouts_from_each_state_on(self, gradient):
        system, norms = learnable_system(Euler(0.02)), GradientNorms()
        system.rollout(5, gradient=gradient, callbacks=[norms]).positions[-1].square().sum().backward()
        states = system.rollout(5, save_every=1)
        for step, norm in zip(norms.steps, norms.values, strict=True):
            start = states[step].detach()
            start.positions.requires_grad_()
            end = system.rollout(5 - step, state=start).positions[-1]
            (expected,) = torch.autograd.grad(end.square().sum(), start.positions)
            torch.testing.assert_close(norm, expected.norm(), rtol=1e-10, atol=0)
        assert norms.steps == [1, 2, 3, 4, 5]

    def test_truncated_gradients_stop_at_the_window(self):
        system, norms = learnable_system(Euler(0.02)), GradientNorms()
        rolled = system.rollout(7, gradient="truncated", window=3, callbacks=[norms])
        rolled.positions[-1].square().sum().backward()
        assert norms.steps == [5, 6, 7]


@pytest.mark.parametrize("gradient", ["full", "checkpoint"])
def test_callbacks_see_every_step_once(gradient):
    system, seen = learnable_system(Euler(0.02)), []
    solution = system.rollout(7, gradient=gradient, save_every=3, callbacks=[lambda state: seen.append(state.step)])
    solution.positions.sum().backward()
    assert seen == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("gradient", ["full", "checkpoint"])
def test_no_step_is_an_ordinary_rollout(gradient):
    system = learnable_system(Euler(0.02))
    assert torch.equal(system.rollout(0, gradient=gradient).positions, system.state.positions[None])


@pytest.mark.parametrize(
    "options",
    [
        {"gradient": "truncated"},
        {"gradient": "full", "window": 3},
        {"gradient": "checkpoint", "window": 3},
        {"gradient": "truncated", "window": 0},
        {"gradient": "truncated", "window": 1.5},
    ],
)
def test_a_window_comes_with_truncated_gradients_alone(options):
    with pytest.raises(ArgumentError, match="`window`"):
        learnable_system(Euler(0.02)).rollout(3, **options)
