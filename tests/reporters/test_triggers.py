"""Triggers say when; stops end a run."""

import time

import pytest

from interflow import ArgumentError, Euler, EverySeconds, EverySteps, RunStoppedError, State, StopWhen
from interflow.reporters import trigger
from tests.flows import cloud, masses, torus_system

STATE = State(cloud(), masses())


def test_a_number_is_every_so_many_steps_of_the_life_of_the_system():
    due = trigger(3)
    assert [step for step in range(8) if due(STATE.replace(step=step))] == [0, 3, 6]


def test_a_function_of_the_state_is_a_trigger():
    def late(state):
        return state.time > 1.0

    assert trigger(late) is late


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "often"])
def test_what_is_neither_is_named(every):
    with pytest.raises(ArgumentError, match="every"):
        trigger(every)


def test_seconds_are_counted_from_the_last_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    due = EverySeconds(10)
    for now, wanted in [(105.0, False), (110.0, True), (119.0, False), (121.0, True)]:  # noqa: B007 (by the clock)
        assert due(STATE) == wanted


def test_a_long_pause_is_made_up_for_once(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    due = EverySeconds(10)
    for now, wanted in [(190.0, True), (191.0, False), (199.0, False), (200.0, True), (209.0, False)]:  # noqa: B007
        assert due(STATE) == wanted


def test_no_seconds_are_every_step():
    due = EverySeconds(0)
    assert all(due(STATE) for _ in range(3))


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_seconds_must_be_a_time(seconds):
    with pytest.raises(ArgumentError, match="seconds"):
        EverySeconds(seconds)


def test_a_stop_ends_the_run_after_a_whole_step():
    system = torus_system(Euler(0.01))
    with pytest.raises(RunStoppedError, match="step 4: enough"):
        system.simulate(9, callbacks=[StopWhen(EverySteps(4), "enough")], progress=False)
    assert system.state.step == 4
