import dataclasses

import pytest
import torch

from interflow import ArgumentError, State
from tests.flows import cloud, masses, same


def full_state():
    carry = {"moment": cloud(seed=2), "count": torch.tensor(3)}
    return State(cloud(), masses(), cloud(seed=1), torch.tensor(0.5), 7, carry)


def test_a_state_cannot_be_changed():
    state = full_state()
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.step = 3
    with pytest.raises(TypeError):
        state.carry["moment"] = torch.zeros(1)


def test_replacing_a_field_leaves_the_state_and_the_other_fields():
    state = full_state()
    later = state.replace(step=8)
    assert (state.step, later.step) == (7, 8)
    assert same(later.replace(step=7), state)


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("weights", {"positions": cloud(count=3)}),
        ("weights", {"weights": masses().float()}),
        ("positions", {"positions": None}),
        ("positions", {"positions": 1}),
        ("velocities", {"velocities": cloud(dimension=3)}),
    ],
)
def test_what_replaces_a_field_is_checked_as_at_the_start(argument, changes):
    with pytest.raises(ArgumentError) as caught:
        full_state().replace(**changes)
    assert caught.value.argument == argument
    with pytest.raises(TypeError, match="speed"):
        full_state().replace(speed=1)


def test_a_time_that_replaces_another_is_a_float64_tensor():
    assert all(full_state().replace(time=time).time.dtype == torch.float64 for time in (1, 1.0, torch.tensor(1.0)))


def test_the_carry_is_a_copy_of_what_was_given():
    carry = {"moment": torch.zeros(1)}
    state = State(cloud(), masses(), carry=carry)
    carry["other"] = torch.zeros(1)
    assert list(state.carry) == ["moment"]


@pytest.mark.parametrize("state", [full_state(), State(cloud(), masses())], ids=["full", "bare"])
def test_a_dictionary_of_tensors_gives_the_state_back(state):
    tensors = state.to_dict()
    assert all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    assert same(State.from_dict(tensors), state)


@pytest.mark.parametrize("time", [0.25, torch.tensor(0.25), torch.tensor(0.25, dtype=torch.float64)])
def test_time_is_a_float64_tensor_whatever_was_given(time):
    state = State(cloud(), masses(), time=time)
    assert (state.time.dtype, state.time.ndim, state.time.item()) == (torch.float64, 0, 0.25)


def test_detaching_cuts_every_tensor_from_its_graph():
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    state = State(cloud() * factor, masses() * factor, cloud() * factor, 0.5 * factor, 1, {"moment": cloud() * factor})
    detached = state.detach()
    assert all(not tensor.requires_grad for tensor in detached.to_dict().values())
    assert same(detached, state)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_wrong_coordinate_makes_a_state_not_finite(value):
    positions = cloud()
    assert State(positions, masses()).is_finite()
    positions[3, 1] = value
    assert not State(positions, masses()).is_finite()


def test_a_state_of_no_particles_is_finite():
    assert State(torch.zeros(0, 2), torch.zeros(0)).is_finite()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("positions", (cloud()[:, 0], masses())),
        ("positions", (torch.zeros(12, 2, dtype=torch.int64), masses())),
        ("positions", (torch.zeros(12, 0), masses())),
        ("positions", ([[0.0]], masses())),
        ("weights", (cloud(), masses(count=3))),
        ("weights", (cloud(), masses().float())),
        ("weights", (cloud(), [1.0] * 12)),
        ("velocities", (cloud(), masses(), cloud(count=3))),
        ("velocities", (cloud(), masses(), cloud().float())),
        ("velocities", (cloud(), masses(), 1.0)),
    ],
)
def test_what_does_not_fit_is_named(name, arguments):
    with pytest.raises(ArgumentError) as caught:
        State(*arguments)
    assert caught.value.argument == name
