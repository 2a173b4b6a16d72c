"""Checks of clouds and weights."""

import pytest
import torch

from interflow.errors import ArgumentError
from interflow.validation import (
    can_read,
    check_choice,
    check_cloud,
    check_instance,
    check_masses,
    check_not_empty,
    check_same_space,
)


@pytest.mark.parametrize(
    ("positions", "weights", "batched"),
    [
        (torch.zeros(3, 2), None, False),
        (torch.zeros(0, 2), torch.zeros(0), False),
        (torch.zeros(3, 1, dtype=torch.float16), torch.zeros(3, dtype=torch.float16), False),
        (torch.zeros(3, 2), -torch.ones(3), False),
        (torch.zeros(4, 3, 2), torch.zeros(4, 3), True),
        (torch.zeros(3, 2), torch.zeros(3), True),
    ],
)
def test_clouds_and_signed_weights_are_accepted(positions, weights, batched):
    check_cloud(positions, weights, batched=batched)


@pytest.mark.parametrize(
    ("positions", "weights", "message"),
    [
        (None, None, "`p`: got NoneType, wanted a floating tensor of shape"),
        (torch.zeros(3), None, r"`p`: got shape \(3,\).* Points on a line are p\[:, None\]"),
        (torch.zeros(4, 3, 2), None, r"`p`: got shape \(4, 3, 2\), wanted a floating tensor of shape \(N, d\)\."),
        (torch.zeros(3, 2, dtype=torch.int64), None, r"`p`: got torch.int64.*p\.float\(\)"),
        (torch.zeros(3, 2, dtype=torch.complex64), None, "`p`: got torch.complex64"),
        (torch.zeros(3, 0), None, "at least one coordinate"),
        (torch.zeros(3, 2), [1.0, 1.0, 1.0], "`w`: got list"),
        (torch.zeros(3, 2), torch.zeros(2), r"`w`: got shape \(2,\), wanted shape \(3,\), one weight a point of `p`"),
        (torch.zeros(3, 2), torch.zeros(3).double(), "`w`: got torch.float64, wanted torch.float32, as `p`"),
        (torch.zeros(3, 2), torch.zeros(3, device="meta"), "`w`: got device meta, wanted cpu, as `p`"),
    ],
)
def test_messages_name_the_argument_what_came_and_what_was_wanted(positions, weights, message):
    with pytest.raises(ArgumentError, match=message):
        check_cloud(positions, weights, names=("p", "w"))


def test_two_clouds_share_one_space():
    check_same_space(torch.zeros(3, 2), torch.zeros(5, 2))
    for other in (
        torch.zeros(3, 1),
        torch.zeros(2, 3, 2),
        torch.zeros(3, 2).double(),
        torch.zeros(3, 2, device="meta"),
    ):
        with pytest.raises(ArgumentError, match="`q`"):
            check_same_space(torch.zeros(3, 2), other, names=("p", "q"))


def test_nothing_is_not_a_cloud():
    check_not_empty(torch.zeros(1, 1), "p")
    with pytest.raises(ArgumentError, match="`p`"):
        check_not_empty(torch.zeros(0, 1), "p")


def test_masses_are_not_negative():
    check_masses(None, "w")
    check_masses(torch.tensor([0.0, 1.0]), "w")
    for bad in (-1.0, float("nan")):
        with pytest.raises(ArgumentError, match="`w`"):
            check_masses(torch.tensor([bad, 1.0]), "w")


def test_values_are_not_read_where_there_are_none():
    assert can_read(torch.ones(1))
    assert not can_read(torch.ones(1, device="meta"))
    seen = []
    torch.func.vmap(lambda x: seen.append(can_read(x)) or x)(torch.ones(2))
    assert seen == [False]


def test_choices_and_instances():
    check_choice("mode", "a", ("a", "b"))
    check_instance("number", 1, int)
    with pytest.raises(ArgumentError, match="`mode`: got 'c', wanted 'a' or 'b'"):
        check_choice("mode", "c", ("a", "b"))
    with pytest.raises(ArgumentError, match="`number`: got a str, wanted a int"):
        check_instance("number", "1", int)
