import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interflow import ArgumentError, Euler, Momentum, State
from interflow.run import MemoryWriter
from interflow.solution import FramePlan
from tests.flows import cloud, masses, repulsion, same, torus_system


@given(steps=st.integers(0, 200), save_every=st.one_of(st.none(), st.integers(1, 250)))
def test_frames_are_one_more_than_the_intervals_begun_with_the_start_and_the_end_among_them(steps, save_every):
    plan = FramePlan(steps, save_every)
    saved = [count for count in range(steps + 1) if plan.saves(count)]
    assert len(saved) == 1 + math.ceil(steps / (save_every or max(steps, 1)))
    assert len(saved) == len(FramePlan(steps, save_every))
    assert (saved[0], saved[-1]) == (0, steps)
    assert all(count % save_every == 0 for count in saved[:-1] if save_every)


@pytest.mark.parametrize(("steps", "save_every"), [(0, None), (0, 3), (1, None), (6, 2), (7, 2), (3, 9)])
def test_a_run_saves_the_frames_of_its_plan(steps, save_every):
    system = torus_system(Euler(0.01))
    system.simulate(2, progress=False)
    solution = system.simulate(steps, save_every=save_every, progress=False)
    expected = [2 + count for count in range(steps + 1) if FramePlan(steps, save_every).saves(count)]
    assert solution.steps.tolist() == expected
    assert len(solution) == len(expected)
    assert solution.positions.shape == (len(expected), 12, 2)
    assert solution.energies.shape == solution.times.shape == (len(expected),)


@pytest.mark.parametrize(
    ("name", "steps", "save_every"),
    [("steps", -1, None), ("steps", 2.0, None), ("steps", True, None), ("save_every", 3, 0), ("save_every", 3, "2")],
)
def test_counts_that_are_none_are_named(name, steps, save_every):
    with pytest.raises(ArgumentError) as caught:
        torus_system(Euler(0.01)).simulate(steps, save_every=save_every)
    assert caught.value.argument == name


def test_the_energy_of_a_frame_is_that_of_its_positions_and_weights():
    system = torus_system(Euler(0.01), weights=masses())
    solution = system.simulate(6, save_every=2, progress=False)
    for frame in range(len(solution)):
        assert solution.energies[frame] == system.energy(solution.positions[frame], solution.weights)


def test_a_frame_is_a_state():
    solution = torus_system(Momentum(0.01, friction=1.0)).simulate(4, save_every=2, progress=False)
    assert same(solution[-1], solution.final)
    assert solution[1].step == 2
    assert torch.equal(solution[1].velocities, solution.velocities[1])


def test_frames_can_be_walked_through():
    solution = torus_system(Euler(0.01)).simulate(4, save_every=2, progress=False)
    assert [state.step for state in solution] == [0, 2, 4]


def test_frames_are_read_as_arrays():
    solution = torus_system(Euler(0.01)).simulate(4, save_every=2, progress=False)
    assert np.asarray(solution.positions).shape == (3, 12, 2)
    assert np.asarray(solution.times).tolist() == [0.0, 0.02, 0.04]


def test_a_motion_of_first_order_has_no_velocities():
    assert torus_system(Euler(0.01)).simulate(1, progress=False).velocities is None


def test_the_statistics_tell_how_fast_the_run_was():
    stats = torus_system(Euler(0.01)).simulate(4, progress=False).stats
    assert stats["steps"] == 4
    assert stats["steps_per_second"] == stats["steps"] / stats["seconds"]


def test_a_recording_keeps_what_it_was_given():
    writer, state = MemoryWriter(), State(cloud(), masses())
    writer.write_frame(state, {"energy": repulsion()(cloud())})
    assert same(writer.finish({"steps": 0})[0], state)
