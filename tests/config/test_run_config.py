"""A config does what the script that says the same does."""

import pytest
import torch
import yaml

import interflow as fl
from interflow.config.loading import validate
from tests.config.cases import TOUR


def run_config(**changes):
    return validate(fl.config.RunConfig, {**yaml.safe_load(TOUR), **changes})


def test_the_config_of_the_tour_gives_the_frames_of_its_script():
    generator = torch.Generator().manual_seed(0)
    torus = fl.PeriodicBoundary(1.0)
    attraction = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(sigma=0.1), boundary=torus, backend="dense")
    script = fl.ParticleSystem(
        torch.rand(20, 2, generator=generator), energy=attraction, integrator=fl.Euler(step_size=0.005)
    )
    wanted = script.simulate(4, save_every=2, progress=False)
    found = run_config().build().simulate(4, save_every=2, progress=False)
    assert torch.equal(found.positions, wanted.positions)
    assert torch.equal(found.energies, wanted.energies)


def test_a_config_gives_the_same_frames_twice_and_another_seed_gives_others():
    noisy = {"kind": "euler_maruyama", "step_size": 0.01, "temperature": 0.1}
    first, again, other = (
        run_config(seed=seed, integrator=noisy).build().simulate(3, progress=False).positions for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first[0], other[0])


def test_the_noise_goes_on_where_the_positions_ended():
    noisy = {"kind": "euler_maruyama", "step_size": 0.5, "temperature": 1.0}
    system = run_config(
        integrator=noisy, boundary={"kind": "open"}, energy={"kind": "interaction", "scale": 0, **_KERNEL}
    ).build()
    start = system.positions.clone()
    generator = torch.Generator().manual_seed(0)
    torch.rand(20, 2, generator=generator)
    noise = torch.randn(20, 2, generator=generator)
    system.simulate(1, progress=False)
    torch.testing.assert_close(system.positions - start, noise)


_KERNEL = {"kernel": {"kind": "gaussian", "sigma": 0.1}}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positions_energy_and_target_have_the_dtype_of_the_root(dtype):
    energy = {"kind": "discrepancy", "discrepancy": {"kind": "energy_distance"}, "target": [[0.1, 0.2]]}
    system = run_config(dtype=dtype, boundary={"kind": "open"}, energy=energy).build()
    assert system.positions.dtype == system.energy.target.dtype == getattr(torch, dtype)
    assert system.energy(system.positions).dtype == getattr(torch, dtype)


def test_a_uniform_cloud_fills_its_box_and_no_more():
    distribution = {"kind": "uniform", "lower": [-1, 2], "upper": [1, 5]}
    particles = {"count": 1000, "dimension": 2, "distribution": distribution}
    positions = run_config(particles=particles, boundary={"kind": "open"}).build().positions
    assert ((positions >= torch.tensor([-1, 2])) & (positions < torch.tensor([1, 5]))).all()
    torch.testing.assert_close(positions.amax(0), torch.tensor([1.0, 5.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(positions.amin(0), torch.tensor([-1.0, 2.0]), atol=0.05, rtol=0)


def test_a_normal_cloud_has_its_mean_and_deviation():
    distribution = {"kind": "normal", "mean": [-1, 2], "deviation": 0.5}
    particles = {"count": 10_000, "dimension": 2, "distribution": distribution}
    positions = run_config(particles=particles, boundary={"kind": "open"}).build().positions
    five_sigma = 5 * 0.5 / 10_000**0.5
    torch.testing.assert_close(positions.mean(0), torch.tensor([-1.0, 2.0]), atol=five_sigma, rtol=0)
    torch.testing.assert_close(positions.std(0), torch.tensor([0.5, 0.5]), atol=five_sigma, rtol=0)


def test_a_cloud_outside_the_domain_is_wrapped_into_it():
    particles = {"count": 100, "dimension": 2, "distribution": {"kind": "normal", "deviation": 5}}
    positions = run_config(particles=particles).build().positions
    assert ((positions >= 0) & (positions < 1)).all()


def test_a_model_is_immutable():
    with pytest.raises(ValueError, match="frozen"):
        run_config().seed = 1


def test_a_system_config_builds_on_any_positions():
    config = run_config(dtype="float64").system
    system = config.build(torch.rand(7, 3), weights=torch.ones(7))
    assert system.positions.shape == (7, 3)
    assert system.weights.dtype == torch.float64
    assert fl.config.from_object(system) == config
