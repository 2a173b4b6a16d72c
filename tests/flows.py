"""Flows with known solutions, and one of each integrator, for the tests of motion."""

from functools import partial

import torch

from interflow import (
    AdaptiveRungeKutta,
    Euler,
    EulerMaruyama,
    ExternalEnergy,
    GaussianKernel,
    Heun,
    InteractionEnergy,
    Momentum,
    NamedOptimizer,
    Nesterov,
    Optimizer,
    ParticleSystem,
    PeriodicBoundary,
    RadialKernel,
    RungeKutta4,
)

FIXED_STEP = {"euler": Euler, "heun": Heun, "runge_kutta4": RungeKutta4}

DETERMINISTIC = {
    "euler": lambda step_size=0.01: Euler(step_size),
    "heun": lambda step_size=0.01: Heun(step_size),
    "runge_kutta4": lambda step_size=0.01: RungeKutta4(step_size),
    "adaptive": lambda step_size=0.01: AdaptiveRungeKutta(step_size),
    "bogacki_shampine": lambda step_size=0.01: AdaptiveRungeKutta(step_size, method="bogacki_shampine"),
    "momentum": lambda step_size=0.01: Momentum(step_size, friction=1.0),
    "nesterov": lambda step_size=0.01: Nesterov(step_size),
    "sgd": lambda step_size=0.01: NamedOptimizer("sgd", learning_rate=step_size),
    "sgd_momentum": lambda step_size=0.01: Optimizer(partial(torch.optim.SGD, lr=step_size, momentum=0.9)),
    "adam": lambda step_size=0.01: NamedOptimizer("adam", learning_rate=step_size),
    "rmsprop": lambda step_size=0.01: NamedOptimizer("rmsprop", learning_rate=step_size),
}

INTEGRATORS = {**DETERMINISTIC, "euler_maruyama": lambda step_size=0.01: EulerMaruyama(step_size, temperature=0.1)}

FIRST_ORDER = ["euler", "heun", "runge_kutta4", "adaptive", "bogacki_shampine", "sgd"]


class Spring(RadialKernel):
    """``k = r²``: under unit mass all points approach their mean at rate 2."""

    def profile(self, squared_distance):
        return squared_distance


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud(count=12, dimension=2, seed=0, dtype=torch.float64):
    return torch.rand(count, dimension, generator=generator(seed), dtype=dtype)


def masses(count=12, seed=0, dtype=torch.float64):
    weights = 0.1 + torch.rand(count, generator=generator(100 + seed), dtype=dtype)
    return weights / weights.sum()


def repulsion(boundary=None, sigma=0.3):
    return InteractionEnergy(GaussianKernel(sigma=sigma), boundary=boundary)


def well(stiffness=1.0):
    """``V = θ|x|²/2``."""
    return ExternalEnergy(lambda x: 0.5 * stiffness * x.square().sum(-1))


def torus_system(integrator, seed=0, positions=None, **options):
    positions = cloud() if positions is None else positions
    energy = -2.0 * repulsion(PeriodicBoundary(1.0), sigma=0.1)
    return ParticleSystem(positions, energy=energy, integrator=integrator, generator=generator(seed), **options)


def same(state, other):
    """Whether two states are equal bit for bit."""
    ours, theirs = state.to_dict(), other.to_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
