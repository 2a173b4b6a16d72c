"""The whole campaign: ``pytest tests/faults --faults -s`` prints its figures."""

from __future__ import annotations

import pytest

from tests.faults import configs, damage, disks, kills
from tests.storage.runs import simulate, system

pytestmark = pytest.mark.faults


def test_200_killed_runs_go_on_and_end_as_if_unbroken(tmp_path):
    figures = kills.campaign(200, tmp_path)
    print(f"\n{figures}")
    assert (figures.killed, figures.resumed, figures.equal, figures.phantom_frames) == (200, 200, 200, 0)
    assert figures.most_intervals_lost <= 1


def test_40_disks_that_fill_up_leave_runs_that_go_on(tmp_path):
    figures = disks.campaign(40, tmp_path)
    print(f"\n{figures}")
    assert figures.wrong == []
    assert figures.begun > 20
    assert figures.loaded == figures.resumed == figures.equal == figures.begun


@pytest.mark.parametrize("campaign", [damage.checkpoints, damage.chunks])
def test_1000_bit_flips_and_100_truncations_are_detected(tmp_path, campaign):
    simulate(system(), tmp_path / "run")
    figures = campaign(tmp_path / "run", flips=1000, cuts=100)
    print(f"\n{figures}")
    assert figures.detected == 1100
    assert figures.recovered in (None, 1100)


def test_10000_mutated_configs_are_refused_with_the_field_named_or_accepted():
    figures = configs.mutated(10_000)
    print(f"\n{figures}")
    assert (figures.other_errors, figures.unnamed) == ([], [])


def test_200_hostile_configs_are_refused():
    figures = configs.hostile()
    print(f"\n{figures}")
    assert figures.read >= 200
    assert (figures.accepted, figures.other_errors, figures.unnamed) == (0, [], [])
