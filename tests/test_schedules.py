"""Schedules are functions of the step alone, so that a run that goes on follows them as an unbroken one does."""

from itertools import pairwise

import pytest
import torch

import interflow as fl
from interflow import (
    ArgumentError,
    CosineSchedule,
    Euler,
    EulerMaruyama,
    ExponentialSchedule,
    LinearSchedule,
    TimeSeries,
)
from interflow.config.document import parse
from interflow.config.loading import dump, load_run_config
from tests.flows import cloud, generator, repulsion, same, torus_system, well

SCHEDULES = [LinearSchedule, ExponentialSchedule, CosineSchedule]


def annealed(**schedules):
    integrator = EulerMaruyama(0.01, temperature=0.5)
    return torus_system(integrator, schedules={"integrator.temperature": LinearSchedule(0.5, 0.0, 6), **schedules})


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_starts_ends_and_stays(kind):
    schedule = kind(start=2.0, end=0.5, steps=8)
    values = [schedule(step) for step in range(12)]
    assert (values[0], values[8:]) == (2.0, [0.5] * 4)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_can_rise_and_can_be_level(kind):
    assert kind(0.5, 2.0, 4)(2) > 0.5
    assert kind(1.5, 1.5, 4)(3) == 1.5


def test_the_factor_of_an_exponential_schedule_is_the_same_at_each_step():
    values = [ExponentialSchedule(1.0, 1e-4, 10)(step) for step in range(11)]
    factors = [after / before for before, after in pairwise(values)]
    assert max(factors) - min(factors) < 1e-12


def test_a_scheduled_run_is_the_run_with_the_values_set_by_hand():
    scheduled = torus_system(Euler(0.1), schedules={"integrator.step_size": LinearSchedule(0.1, 0.02, 4)})
    by_hand = torus_system(Euler(0.1))
    scheduled.simulate(6, progress=False)
    for step in range(6):
        by_hand.integrator.step_size = LinearSchedule(0.1, 0.02, 4)(step)
        by_hand.simulate(1, progress=False)
    assert same(scheduled.state, by_hand.state)


def test_a_bandwidth_is_found_through_multiples_and_sums():
    energy = -2.0 * (0.5 * repulsion() + well())
    schedules = {"energy.terms.0.kernel.sigma": ExponentialSchedule(1.0, 0.1, 5)}
    system = fl.ParticleSystem(cloud(), energy=energy, integrator=Euler(0.01), schedules=schedules)
    solution = system.simulate(5, save_every=1, progress=False)
    for step in (0, 3, 5):
        sigma = ExponentialSchedule(1.0, 0.1, 5)(step)
        wanted = -2.0 * (0.5 * repulsion(sigma=sigma)(solution.positions[step]) + well()(solution.positions[step]))
        torch.testing.assert_close(solution.energies[step], wanted, rtol=1e-13, atol=0.0)


def test_callbacks_see_the_values_of_their_step():
    system = annealed(**{"energy.kernel.sigma": LinearSchedule(0.5, 0.1, steps=4)})
    seen = TimeSeries({"sigma": lambda state: system.energy.energy.kernel.sigma})
    system.simulate(4, save_every=3, callbacks=[seen], progress=False)
    torch.testing.assert_close(seen["sigma"], torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64))


def test_simulating_twice_is_simulating_once():
    whole, parts = annealed(), annealed()
    whole.simulate(9, progress=False)
    parts.simulate(4, progress=False)
    parts.simulate(5, progress=False)
    assert same(whole.state, parts.state)


def test_a_scheduled_run_that_goes_on_equals_one_that_was_never_broken(tmp_path):
    def run(system, stop_at=None, resume=False):
        stop = fl.StopWhen(lambda state: state.step == stop_at, "the test")
        return system.simulate(
            9, save_every=2, callbacks=[stop], out=fl.RunFolder(tmp_path / "run"), resume=resume, progress=False
        )

    whole = annealed()
    whole.simulate(9, progress=False)
    with pytest.raises(fl.RunStoppedError):
        run(annealed(), stop_at=4)
    again = annealed()
    run(again, resume=True)
    assert same(again.state, whole.state)


def test_rollouts_are_differentiated_through_a_schedule():
    system = torus_system(Euler(0.1), schedules={"integrator.step_size": LinearSchedule(0.1, 0.02, 4)})
    start = system.state.replace(positions=system.positions.clone().requires_grad_())
    (slope,) = torch.autograd.grad(system.rollout(4, state=start).energies[-1], start.positions)
    plain = torus_system(Euler(0.1))
    assert bool(slope.isfinite().all())
    assert not torch.equal(slope, torch.zeros_like(slope))
    assert plain.schedules == {}


@pytest.mark.parametrize(
    ("name", "schedule", "said"),
    [
        ("integrator.stepsize", LinearSchedule(1.0, 2.0, 3), "integrator.step_size"),
        ("energy", LinearSchedule(1.0, 2.0, 3), "energy.kernel.sigma"),
        ("integrator.step_size", LinearSchedule(1.0, 0.0, 3), "positive"),
        ("integrator.step_size", 0.1, "Schedule"),
        ("time", LinearSchedule(1.0, 2.0, 3), "one of the numbers"),
    ],
)
def test_what_cannot_be_scheduled_is_named(name, schedule, said):
    with pytest.raises(ArgumentError, match=said) as caught:
        torus_system(Euler(0.1), schedules={name: schedule})
    assert caught.value.argument == "schedules"


@pytest.mark.parametrize("arguments", [(1.0, 2.0, 0), (float("nan"), 1.0, 3), (1.0, float("inf"), 3)])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_what_is_no_schedule_is_named(kind, arguments):
    with pytest.raises(ArgumentError):
        kind(*arguments)


def test_an_exponential_schedule_cannot_reach_zero():
    with pytest.raises(ArgumentError, match="end"):
        ExponentialSchedule(1.0, 0.0, 3)


CONFIG = """
particles: {count: 20, dimension: 2}
energy: {kind: interaction, scale: -2.0, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler_maruyama, step_size: 0.005, temperature: 0.1}
schedules:
  integrator.temperature: {kind: linear, start: 0.1, end: 0, steps: 10}
  energy.kernel.sigma: {kind: exponential, start: 0.3, end: 0.1, steps: 20}
observables:
  speed: {kind: mean_speed}
  wave: {kind: fourier_mode, mode: [1, 0]}
  distance: {kind: discrepancy, discrepancy: {kind: mmd, kernel: {kind: gaussian, sigma: 1}}, target: [[0, 0]]}
  distances: {kind: pair_distances, bins: 4, max_distance: 2}
  polarisation: {kind: polarisation}
run: {steps: 4}
"""


def test_configs_have_schedules_and_observables():
    config, _ = load_run_config(parse(CONFIG), [])
    system = config.build()
    solution = system.simulate(4, observables=config.observe(system), progress=False)
    assert solution.scalars.keys() == {"energy", "speed", "wave", "distance", "distances", "polarisation"}
    assert fl.config.from_object(system).schedules == config.schedules
    assert load_run_config(parse(dump(config)), [])[0] == config


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("kernel.sigma:", "kernel.sigm:", "schedules"),
        ("steps: 20", "steps: 0", r"schedules\.energy\.kernel\.sigma\.steps"),
        ("bins: 4", "bins: 0", r"observables\.distances\.bins"),
        ("speed:", "energy:", "observables"),
        ("mean_speed", "meanspeed", r"observables\.speed\.kind.*Did you mean"),
    ],
)
def test_configs_of_schedules_and_observables_are_checked(old, new, path):
    def use():
        config, _ = load_run_config(parse(CONFIG.replace(old, new)), [])
        config.observe(config.build())

    with pytest.raises(fl.ConfigError, match=path):
        use()


def test_generators_are_not_touched_by_schedules():
    assert torch.equal(annealed().generator.get_state(), generator().get_state())
