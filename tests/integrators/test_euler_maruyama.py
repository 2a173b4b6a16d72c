"""Laws of the noise, with confidence intervals of 99.9 %."""

import math

import pytest
import torch

from interflow import ArgumentError, Euler, EulerMaruyama, ExternalEnergy, ParticleSystem
from tests.flows import cloud, generator, masses, repulsion, well

QUANTILE = 3.2905
THETA, TEMPERATURE = 1.0, 0.5

still = ExternalEnergy(lambda x: 0.0 * x.sum(-1))


def coupled_ends(start, steps, count, seed):
    """Euler–Maruyama and the exact Ornstein–Uhlenbeck process at time 1, driven by the same Brownian motion.

    The increments ΔW of the motion and ``η = ∫ exp(−θ(h − s)) dW`` are jointly Gaussian: Var ΔW = h,
    Var η = (1 − exp(−2θh))/2θ, Cov = (1 − exp(−θh))/θ.
    """
    step_size = 1.0 / steps
    positions = torch.full((count, 1), start, dtype=torch.float64)
    integrator = EulerMaruyama(step_size, TEMPERATURE)
    system = ParticleSystem(positions, energy=well(THETA), integrator=integrator, generator=generator(seed))
    replay, rest = generator(seed), generator(seed + 1)
    covariance = -math.expm1(-THETA * step_size) / THETA
    remainder = -math.expm1(-2 * THETA * step_size) / (2 * THETA) - covariance**2 / step_size
    exact = positions
    for _ in range(steps):
        increment = torch.randn(count, 1, generator=replay, dtype=torch.float64) * math.sqrt(step_size)
        independent = torch.randn(count, 1, generator=rest, dtype=torch.float64) * math.sqrt(remainder)
        noise = covariance / step_size * increment + independent
        exact = math.exp(-THETA * step_size) * exact + math.sqrt(2 * TEMPERATURE) * noise
    return system.simulate(steps, progress=False).positions[-1].flatten(), exact.flatten()


def order_with_margin(samples):
    """The order from samples of the error with 16 and with 32 steps, and its confidence margin."""
    means = [sample.mean().item() for sample in samples]
    deviations = [(sample.std() / len(sample) ** 0.5 / sample.mean()).item() for sample in samples]
    return math.log2(means[0] / means[1]), QUANTILE * math.hypot(*deviations) / math.log(2)


def test_the_strong_order_is_one():
    ends = [coupled_ends(0.0, steps, count=40_000, seed=10 * steps) for steps in (16, 32)]
    order, margin = order_with_margin([(numerical - exact).abs() for numerical, exact in ends])
    assert abs(order - 1) + margin < 0.1


def test_the_weak_order_of_the_second_moment_is_one():
    ends = [coupled_ends(4.0, steps, count=400_000, seed=10 * steps) for steps in (16, 32)]
    order, margin = order_with_margin([exact.square() - numerical.square() for numerical, exact in ends])
    assert abs(order - 1) + margin < 0.1


def test_the_stationary_variance_is_that_of_the_discrete_process():
    step_size, count = 0.1, 40_000
    system = ParticleSystem(
        torch.zeros(count, 1, dtype=torch.float64),
        energy=well(THETA),
        integrator=EulerMaruyama(step_size, TEMPERATURE),
        generator=generator(),
    )
    squares = system.simulate(150, progress=False).positions[-1].square()
    expected = TEMPERATURE / (THETA * (1 - THETA * step_size / 2))
    assert abs(squares.mean() - expected) < QUANTILE * squares.std() / count**0.5


def test_noise_spreads_every_particle_alike_whatever_the_weights():
    weights = torch.tensor([1e-6, 0.0, 1.0, 5.0]).repeat(10_000)
    system = ParticleSystem(
        torch.zeros(40_000, 1), energy=still, integrator=EulerMaruyama(0.1, 0.5), weights=weights, generator=generator()
    )
    squares = system.simulate(10, progress=False).positions[-1].square().reshape(-1, 4)
    margins = QUANTILE * squares.std(0) / 10_000**0.5
    assert bool(((squares.mean(0) - 1.0).abs() < margins).all())


def test_without_temperature_it_is_euler_bit_for_bit():
    ends = [
        ParticleSystem(cloud(), energy=repulsion(), integrator=method, weights=masses(), generator=generator())
        .simulate(5, progress=False)
        .positions[-1]
        for method in (EulerMaruyama(0.1, temperature=0.0), Euler(0.1))
    ]
    assert torch.equal(*ends)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, again, other = (
        ParticleSystem(cloud(), energy=repulsion(), integrator=EulerMaruyama(0.1, 1.0), generator=generator(seed))
        .simulate(5, progress=False)
        .positions[-1]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_system_without_a_generator_is_told_to_have_one():
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=EulerMaruyama(0.1, 1.0))
    with pytest.raises(ArgumentError, match=r"generator=torch\.Generator"):
        system.simulate(1, progress=False)
    assert system.state.step == 0


def test_a_negative_temperature_is_refused():
    with pytest.raises(ArgumentError, match="`temperature`"):
        EulerMaruyama(0.1, temperature=-1.0)
