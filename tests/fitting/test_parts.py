"""The parts of a fit keep their laws."""

import subprocess
import sys

import pytest
import torch

import interflow as fl
from interflow.fitting.descent import step_size
from interflow.fitting.evaluation import exact_w2, held_out_distances, sliced_w2, split
from interflow.fitting.initialisation import init_from_box, init_from_target, systematic_resampling
from interflow.fitting.wrappers import DecayingEuler, MiniBatchIntegrator, NoiseInjectionIntegrator


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def energy(y, weights=None):
    return fl.DiscrepancyEnergy(fl.EnergyDistance(backend="dense"), y, weights)


def test_noise_of_level_zero_changes_nothing():
    x, y = normal(5, 2), normal(9, 2, seed=1)
    plain, shaken = (
        fl.ParticleSystem(x, energy=energy(y), integrator=integrator, generator=generator())
        for integrator in (fl.Euler(0.1), NoiseInjectionIntegrator(fl.Euler(0.1), level=0.0, steps=3))
    )
    assert torch.equal(plain.step(plain.state).positions, shaken.step(shaken.state).positions)


def test_noise_shakes_where_velocities_are_taken_and_not_where_points_are():
    y = normal(9, 2, seed=1)
    x = normal(5, 2)
    system = fl.ParticleSystem(
        x, energy=energy(y), integrator=NoiseInjectionIntegrator(fl.Euler(0.1), 10.0, steps=100), generator=generator()
    )
    moved = system.step(system.state).positions
    assert not torch.equal(moved, x)
    assert (moved - x).norm(dim=1).max() <= 0.1 * 4.0  # a velocity of the energy distance is at most 4 long


def test_velocities_are_taken_inside_the_domain_however_points_are_shaken():
    asked = []
    landscape = fl.ExternalEnergy(
        lambda x: (asked.append(x.detach()), x.square().sum(-1))[1], boundary=fl.ReflectingBoundary(-1.0, 2.0)
    )
    shaken = NoiseInjectionIntegrator(fl.Euler(0.1), level=10.0, steps=100)
    system = fl.ParticleSystem(normal(5, 2).clamp(-1, 2), energy=landscape, integrator=shaken, generator=generator())
    system.step(system.state)
    assert asked
    assert all(bool(((x >= -1.0) & (x <= 2.0)).all()) for x in asked)


def test_noise_falls_on_from_rung_to_rung():
    shaken = NoiseInjectionIntegrator(fl.Euler(1.0), level=1.0, steps=10, before=10)
    system = fl.ParticleSystem(normal(5, 2), energy=energy(normal(9, 2, seed=1)), integrator=shaken)
    assert torch.equal(
        system.step(system.state).positions,
        system.state.positions + system.energy.velocity(system.state.positions),
    )


def test_a_descent_that_fades_starts_as_plain_descent_and_comes_to_rest():
    system = fl.ParticleSystem(normal(5, 2), energy=energy(normal(9, 2, seed=1)), integrator=DecayingEuler(0.2, 4))
    start = system.state
    plain = start.positions + 0.2 * system.energy.velocity(start.positions)
    torch.testing.assert_close(system.step(start).positions, plain, rtol=0, atol=1e-15)
    system.simulate(5, progress=False)
    assert system.state.time == pytest.approx(0.2 * (1 + 0.75 + 0.5 + 0.25))


@pytest.mark.parametrize("size", [30, 100])
def test_mini_batches_of_any_size_do_not_carry_points_away(size):
    y = normal(400, 2)
    fitted = fl.fit(60, y, fl.EnergyDistance(backend="dense"), batch_size=size, steps=100, init="box")
    assert fitted.stats["integrator"] == "DecayingEuler"
    assert fitted.history[-1].loss < min(0.1 * fitted.history[0].loss, 1.3 * min(r.loss for r in fitted.history))


@pytest.mark.parametrize("weighted", [False, True])
def test_mini_batches_have_the_velocity_of_the_whole_target_on_average(weighted):
    x, y = normal(3, 2), normal(40, 2, seed=1)
    weights = torch.rand(40, generator=generator(2), dtype=torch.float64) if weighted else None
    weights = weights / weights.sum() if weighted else None
    whole = energy(y, weights)
    batched = MiniBatchIntegrator(fl.Euler(1.0), whole, size=10)
    system = fl.ParticleSystem(x, energy=whole, integrator=batched, generator=generator())
    velocities = torch.stack([system.step(system.state).positions - x for _ in range(600)])
    error = velocities.std(0) / 600**0.5
    assert ((velocities.mean(0) - whole.velocity(x)).abs() < 4.5 * error).all()


def test_systematic_draws_are_within_one_of_their_share():
    shares = torch.tensor([0.05, 0.5, 0.0, 0.45])
    counts = torch.bincount(systematic_resampling(1000, shares, generator()), minlength=4)
    assert ((counts - 1000 * shares).abs() <= 1).all()
    assert counts[2] == 0


def test_starts_lie_where_they_should():
    y = normal(50, 3)
    chosen = init_from_target(20, y, None, generator())
    assert len({tuple(point) for point in chosen.tolist()} & {tuple(point) for point in y.tolist()}) == 20
    box = init_from_box(1000, y, None, generator())
    assert (box >= y.amin(0)).all()
    assert (box <= y.amax(0)).all()


def test_the_step_size_scales_with_the_bandwidth_as_the_flow_does():
    y = normal(500, 2)
    sizes = []
    for factor in (1.0, 4.0):
        loss = fl.MMD(fl.GaussianKernel(sigma=0.5 * factor), backend="dense")
        sizes.append(step_size(fl.DiscrepancyEnergy(loss, factor * y), generator()))
    assert sizes[1] / sizes[0] == pytest.approx(4.0, rel=0.2)  # λ is 1 / σ² times a number


@pytest.mark.parametrize("dimension", [1, 2, 10, 64])
def test_a_descent_with_the_measured_step_size_does_not_run_away_in_any_dimension(dimension):
    y = normal(300, dimension)
    losses = [record.loss for record in fl.fit(40, y, fl.EnergyDistance(backend="dense"), steps=60).history]
    assert losses[-1] < min(0.7 * losses[0], 1.2 * min(losses))


def test_sliced_w2_of_a_shift_is_its_length_by_the_root_of_the_dimension():
    x = normal(200, 2)
    shift = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert sliced_w2(x, x + shift) == pytest.approx(5 / 2**0.5, rel=1e-6)
    assert sliced_w2(x, x) == 0.0


def test_sliced_w2_weighs_points():
    x, doubled = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [0.0], [1.0]])
    assert sliced_w2(x, doubled, torch.tensor([2.0, 1.0])) == pytest.approx(0.0, abs=1e-7)
    assert sliced_w2(x, doubled) == pytest.approx((1 / 6) ** 0.5)


def test_on_a_line_sliced_w2_is_w2_as_scipy_and_pot_have_it():
    ot = pytest.importorskip("ot")
    x, y = normal(30, 1), normal(47, 1, seed=1)
    expected = ot.wasserstein_1d(x[:, 0].numpy(), y[:, 0].numpy(), p=2) ** 0.5
    assert sliced_w2(x, y) == pytest.approx(expected, rel=1e-9)
    assert exact_w2(x, y) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("offset", [1e6, 1e8, 1e12])
def test_distances_are_the_same_far_from_the_origin(offset):
    x, y = ((8 * normal(20, 2, seed=seed)).round() / 8 for seed in (0, 1))  # sums with the offset are exact
    assert exact_w2(x + offset, y + offset) == pytest.approx(exact_w2(x, y), rel=1e-12)
    assert sliced_w2(x + offset, y + offset) == pytest.approx(sliced_w2(x, y), rel=1e-12)


def test_exact_w2_weighs_points():
    x, doubled = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [0.0], [1.0]])
    assert exact_w2(x, doubled, torch.tensor([2.0, 1.0])) == pytest.approx(0.0, abs=1e-7)
    assert exact_w2(x, doubled, None, torch.tensor([1.0, 1.0, 4.0])) == pytest.approx((1 / 6) ** 0.5)


def test_exact_w2_of_many_points_is_refused():
    with pytest.raises(fl.ArgumentError, match="5000"):
        exact_w2(torch.zeros(5001, 2), torch.zeros(1, 2))


def test_a_split_of_samples_keeps_the_parts_apart():
    y = torch.arange(100.0)[:, None]
    parts = split(y, None, 0.2, count=10, seed=0)
    assert (len(parts.train), len(parts.held_out), len(parts.sample)) == (80, 20, 10)
    assert not set(parts.train.flatten().tolist()) & set(parts.held_out.flatten().tolist())
    assert set(parts.sample.flatten().tolist()) <= set(parts.train.flatten().tolist())


def test_a_split_of_a_measure_keeps_the_parts_apart_and_its_mass():
    y, weights = torch.arange(1000.0)[:, None], torch.rand(1000, generator=generator())
    weights[::10] = 0.0
    parts = split(y, weights, 0.2, count=50, seed=0)
    assert (len(parts.train), len(parts.held_out), len(parts.sample)) == (800, 200, 50)
    assert not set(parts.train.flatten().tolist()) & set(parts.held_out.flatten().tolist())
    assert torch.equal(parts.held_out_weights, weights[parts.held_out.flatten().long()])
    assert parts.train_weights.sum().item() == pytest.approx(weights.sum().item(), rel=1e-5)
    assert torch.equal(parts.train, y[parts.index])


def test_a_split_of_a_measure_takes_evenly_from_its_order():
    parts = split(torch.arange(1000.0)[:, None], torch.ones(1000), 0.25, count=5, seed=0)
    assert (torch.bincount(parts.index // 4) == 3).all()


def test_the_sample_of_a_split_follows_the_weights():
    y, weights = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 0.0, 3.0])
    parts = split(y.repeat(3000, 1), weights.repeat(3000), 0.5, count=2000, seed=0)
    assert parts.sample.mean().item() == pytest.approx(1.5, abs=0.1)
    assert 1.0 not in parts.sample


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_the_distances_to_the_held_out_part(weighted):
    y, weights = normal(40, 2), torch.rand(40, generator=generator(), dtype=torch.float64) if weighted else None
    parts = split(y, weights, 0.25, count=5, seed=0)
    found = held_out_distances(parts.sample, None, parts)
    assert found["sliced_w2"] == sliced_w2(parts.sample, parts.held_out, None, parts.held_out_weights)
    assert found["exact_w2"] == pytest.approx(found["sliced_w2"] * 2**0.5, rel=0.6)


@pytest.mark.parametrize("weights", [None, torch.tensor([2.0])])
def test_a_single_point_is_fitted_to_and_judges_nothing(weights):
    parts = split(torch.zeros(1, 2), weights, 0.2, count=5, seed=0)
    assert (len(parts.train), len(parts.held_out), len(parts.held_out_subset), len(parts.sample)) == (1, 0, 0, 5)
    assert held_out_distances(parts.sample, None, parts) == {"sliced_w2": None, "exact_w2": None}


@pytest.mark.parametrize("massive", [[3], [0, 9], [17, 18, 19]])
@pytest.mark.parametrize("seed", range(5))
def test_both_parts_of_a_measure_have_mass_unless_one_point_has_it_all(massive, seed):
    weights = torch.zeros(20).index_fill(0, torch.tensor(massive), 0.5)
    parts = split(normal(20, 2).float(), weights, 0.2, count=5, seed=seed)
    assert parts.train_weights.sum().item() == pytest.approx(0.5 * len(massive))
    assert bool(parts.held_out_weights.sum() > 0) == (len(massive) > 1)
    found = held_out_distances(parts.sample, None, parts)
    assert (found["sliced_w2"] is None) == (len(massive) == 1)
    assert found["sliced_w2"] is None or found["sliced_w2"] > 0.0


def test_nothing_is_said_where_the_solver_s_package_came_without_bytecode(tmp_path):
    pytest.importorskip("ot")
    program = (
        "import sys, warnings, torch\nfrom interflow.fitting.evaluation import exact_w2\n"
        # from here on what is imported is compiled, and every warning is an error
        f"sys.pycache_prefix, sys.dont_write_bytecode = {str(tmp_path)!r}, True\nwarnings.simplefilter('error')\n"
        "assert 'ot' not in sys.modules\nassert exact_w2(torch.zeros(2, 2), torch.ones(2, 2)) > 1.4\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
