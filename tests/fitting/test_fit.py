"""A fit brings points to the target, in the target's own coordinates, and says why it ended."""

import dataclasses
import inspect
import subprocess
import sys

import pytest
import torch

import interflow as fl
from interflow.config.fit_config import DescentConfig
from interflow.fitting.defaults import deterministic_copy
from interflow.run import advance


def target(count=300, dimension=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(count, dimension, generator=generator)
    points[: count // 2] += 4.0
    return points


def small(source=30, y=None, **changes):
    return fl.fit(source, target() if y is None else y, **{"steps": 20, "discrepancy": DENSE, **changes})


DENSE = fl.EnergyDistance(backend="dense")


def loss(x, y):
    return fl.EnergyDistance(backend="dense")(x.double(), y.double()).item()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"init": "box"},
        {"integrator": fl.Euler(step_size=0.2)},
        {"integrator": fl.Momentum(step_size=0.3, friction=1.0)},
        {"integrator": fl.NamedOptimizer("adam", learning_rate=0.05)},
        {"noise": 0.05},
        {"batch_size": 100, "integrator": fl.Euler(step_size=0.2)},
        {"weight_step_size": 1.0},
        {"discrepancy": fl.MMD(fl.GaussianKernel(sigma=0.3), backend="dense"), "bandwidth_factors": (4, 2, 1)},
    ],
    ids=str,
)
def test_every_method_lowers_the_loss(changes):
    fitted = small(steps=40, **changes)
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss


def test_the_loss_is_the_discrepancy_of_the_normalised_clouds():
    y = target()
    fitted = small(y=y)
    scale = fitted.stats["scale"]
    assert fitted.history[0].loss == pytest.approx(loss(fitted.start, y) / scale, rel=1e-4)
    assert fitted.history[-1].loss == pytest.approx(loss(fitted.positions, y) / scale, rel=1e-3)


@pytest.mark.parametrize(("scale", "shift"), [(100.0, 0.0), (2.0**-10, 0.0), (1.0, 512.0)])
def test_the_fit_moves_and_scales_with_its_target(scale, shift):
    y = target()
    fitted, moved = small(y=y, steps=5), small(y=scale * y + shift, steps=5)
    torch.testing.assert_close((moved.positions - shift) / scale, fitted.positions, rtol=1e-3, atol=2e-3)


def test_points_that_are_given_are_moved_onto_the_target_in_order():
    y = target(20)
    fitted = small(y + 0.1 * torch.randn(20, 2, generator=torch.Generator().manual_seed(1)), y, steps=60)
    assert (fitted.positions - y).norm(dim=1).median() < 0.1


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, second, other = (small(noise=0.1, batch_size=50, deterministic=True, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.positions, second.positions)
    assert [record.loss for record in first.history] == [record.loss for record in second.history]
    assert not torch.equal(first.positions, other.positions)


BITS = """
import hashlib, torch, interflow as fl
target = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
fitted = fl.fit(50, target, steps=8, seed=3, deterministic=True)
print(hashlib.sha256(fitted.positions.numpy().tobytes()).hexdigest(), fitted.history[-1].loss.hex())
"""


def test_two_processes_give_the_same_bits():
    runs = [subprocess.run([sys.executable, "-c", BITS], capture_output=True, text=True) for _ in range(2)]
    first, second = (run.stdout.split()[-2:] for run in runs)
    assert len(first[0]) == 64
    assert first == second


def test_a_fit_that_is_to_repeat_leaves_the_choice_to_backends_that_do():
    own = fl.EnergyDistance()
    said = deterministic_copy(fl.MMD(fl.GaussianKernel(0.3) + fl.GaussianKernel(1.0), backend=fl.Auto(repetitions=3)))
    assert said.backend == fl.Auto(repetitions=3, deterministic=True)
    assert deterministic_copy(own).mmd.backend == fl.Auto(deterministic=True)
    assert own.mmd.backend == "auto"
    assert deterministic_copy(DENSE).mmd.backend == "dense"


def test_a_ladder_without_a_bandwidth_names_the_kernel():
    with pytest.raises(fl.ArgumentError, match="EnergyDistance with DistanceKernel, without a bandwidth"):
        small(bandwidth_factors=(2, 1))


def test_weights_are_learned_on_the_simplex_and_carry_the_mass_of_the_target():
    y = target()
    masses = torch.rand(len(y), generator=torch.Generator().manual_seed(0)) * 3
    fitted = small(y=y, weight_step_size=2.0, target_weights=masses)
    assert fitted.weights.sum().item() == pytest.approx(masses.sum().item(), rel=1e-5)
    assert bool((fitted.weights > 0).all())
    assert fitted.weights.std() > 0


def test_without_learning_weights_stay_as_they_are():
    y, masses = target(30), torch.arange(1.0, 31.0)
    fitted = small(y.clone(), y, source_weights=masses)
    torch.testing.assert_close(fitted.weights, masses / masses.sum())


def test_points_stay_in_the_domain_of_the_discrepancy():
    torus = fl.PeriodicBoundary(1.0)
    y = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.9
    kernel = fl.MMD(fl.GaussianKernel(sigma=0.1), boundary=torus, backend="dense")
    fitted = small(y=y % 1.0, discrepancy=kernel, init="box", steps=30)
    assert fitted.stats["scale"] == 1.0
    assert bool(((fitted.positions >= 0) & (fitted.positions < 1)).all())


def test_more_points_than_the_target_has_are_started_apart():
    fitted = small(50, target(10), steps=0)
    assert len(torch.unique(fitted.positions, dim=0)) == 50


def test_the_user_s_own_discrepancy_is_left_as_it_is():
    own = fl.MMD(fl.GaussianKernel(sigma=0.3), backend="dense")
    small(discrepancy=own, bandwidth_factors=(4, 1))
    assert own.kernel.sigma.item() == 0.3


def test_the_callback_sees_each_record_in_the_coordinates_of_the_target():
    seen = []
    fitted = small(callback=lambda record, positions, weights: seen.append((record, positions, weights)))
    assert tuple(record for record, _, _ in seen) == fitted.history
    assert torch.equal(seen[-1][1], fitted.positions)
    assert [record.step for record, _, _ in seen] == [0, 10, 20]


def test_the_function_the_config_and_the_settings_have_the_same_options_and_defaults():
    settings = {option.name: option.default for option in dataclasses.fields(fl.FitSettings)}
    arguments = {name: argument.default for name, argument in inspect.signature(fl.fit).parameters.items()}
    fields = {name: field.default for name, field in DescentConfig.model_fields.items()}
    assert settings.items() <= arguments.items()
    assert {**fields, "seed": 0} == settings


def test_an_option_that_does_not_exist_is_refused_before_and_during_the_run() -> None:
    with pytest.raises(TypeError, match="stepz"):
        fl.fit(3, torch.zeros(3, 2), stepz=1)  # type: ignore[call-arg]
    with pytest.raises(fl.ArgumentError, match="`steps`: got 'many', wanted a whole number ≥ 0"):
        fl.fit(3, torch.zeros(3, 2), steps="many")  # type: ignore[arg-type]


def test_the_settings_of_a_fit_make_the_same_fit_again():
    first = small(noise=0.1, seed=3, deterministic=True)
    again = small(**vars(first.settings))
    assert again.settings == first.settings == fl.FitSettings(steps=20, noise=0.1, seed=3, deterministic=True)
    assert torch.equal(again.positions, first.positions)


def test_fits_and_simulations_whole_or_resumed_advance_in_one_loop(monkeypatch, tmp_path):
    loops = []
    original = fl.ParticleSystem.step

    def step(system, state):
        loops.append(sys._getframe(1).f_code)
        return original(system, state)

    monkeypatch.setattr(fl.ParticleSystem, "step", step)

    def stop(state):
        if state.step == 3:
            raise fl.RunStoppedError("enough")

    def simulate(**options):
        repulsion = fl.InteractionEnergy(fl.GaussianKernel(sigma=1.0), backend="dense")
        system = fl.ParticleSystem(target(5), energy=repulsion, integrator=fl.Euler(step_size=0.1))
        return system.simulate(5, out=fl.RunFolder(tmp_path / "run"), progress=False, **options)

    small(bandwidth_factors=(2, 1), discrepancy=fl.MMD(fl.GaussianKernel(sigma=0.3), backend="dense"), steps=4)
    with pytest.raises(fl.RunStoppedError):
        simulate(callbacks=[stop])
    simulate(resume=True)
    assert loops == [advance.__code__] * (4 + 3 + 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 7}, "7 steps were made"),
        ({"steps": 0}, "0 steps were made"),
        ({"max_seconds": 1e-9}, "1e-09 seconds were over"),
        ({"target_loss": 1e3}, "the loss came to 1000"),
        ({"min_relative_decrease": 0.9, "steps": 1000, "check_every": 1}, "the loss fell by less than 0.9 of itself"),
    ],
)
def test_it_says_which_stop_it_was(changes, said):
    fitted = small(**changes)
    assert fitted.stats["stopped"] == said
    assert fitted.history[-1].step == fitted.stats["steps"]


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"source": 0}, "source"),
        ({"source": 2.5}, "source"),
        ({"source": torch.zeros(3, 5)}, "source"),
        ({"source": torch.full((3, 2), torch.nan)}, "source"),
        ({"source_weights": torch.ones(3)}, "source_weights"),
        ({"y": torch.zeros(0, 2)}, "target"),
        ({"target_weights": torch.zeros(300)}, "target_weights"),
        ({"target_weights": -torch.ones(300)}, "target_weights"),
        ({"steps": -1}, "steps"),
        ({"max_seconds": 0.0}, "max_seconds"),
        ({"max_seconds": 1.0, "deterministic": True}, "max_seconds"),
        ({"init": "middle"}, "init"),
        ({"noise": -1.0}, "noise"),
        ({"batch_size": 0}, "batch_size"),
        ({"check_every": 2.5}, "check_every"),
        ({"refinements": 4}, "refinements"),
        ({"min_relative_decrease": float("nan")}, "min_relative_decrease"),
        ({"bandwidth_factors": (2, 1)}, "bandwidth_factors"),
        ({"bandwidth_factors": (-1,)}, "bandwidth_factors"),
        ({"discrepancy": 3}, "discrepancy"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(arguments, argument):
    with pytest.raises(fl.ArgumentError) as caught:
        small(**arguments)
    assert caught.value.argument == argument
