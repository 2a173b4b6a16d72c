"""Runs survive kills, damage, full disks and what is written in configs: a short version of the campaign."""

from __future__ import annotations

import os
import subprocess

import pytest

from interflow import RunFolder, StorageError, open_run
from tests.faults import configs, damage, disks, kills
from tests.storage.runs import SAVE_EVERY, STEPS, same_frames, simulate, system


def test_killed_runs_go_on_and_end_as_if_unbroken(tmp_path):
    figures = kills.campaign(4, tmp_path)
    assert (figures.killed, figures.resumed, figures.equal, figures.phantom_frames) == (4, 4, 4, 0)
    assert figures.most_intervals_lost <= 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage") / "run"
    simulate(system(), folder)
    return folder


def test_damaged_checkpoints_are_detected_and_the_one_before_is_used(finished):
    figures = damage.checkpoints(finished, flips=60, cuts=10)
    assert (figures.detected, figures.recovered) == (70, 70)


def test_damaged_chunks_are_detected(finished):
    assert damage.chunks(finished, flips=30, cuts=5).detected == 35


def test_configs_that_are_mutated_are_accepted_and_run_before():
    assert [(figures.accepted, figures.ran) for figures in map(configs.unchanged, configs.BASES)] == [(1, 1)] * 3


def test_mutated_configs_are_refused_with_the_field_named_or_accepted():
    figures = configs.mutated(300)
    assert figures.other_errors == []
    assert figures.unnamed == []
    assert figures.refused + figures.accepted == 300


def test_hostile_configs_execute_nothing_and_write_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module, name in ((os, "system"), (subprocess, "Popen")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: pytest.fail("something was executed"))
    figures = configs.hostile()
    assert figures.read >= 200
    assert figures.other_errors == []
    assert figures.unnamed == []
    assert figures.accepted == 0
    assert list(tmp_path.iterdir()) == []


def test_disks_that_fill_up_leave_runs_that_go_on(tmp_path):
    figures = disks.campaign(4, tmp_path)
    assert figures.wrong == []
    assert figures.filled > 0
    assert figures.loaded == figures.resumed == figures.equal == figures.begun


def test_a_disk_that_becomes_read_only_leaves_the_last_checkpoint(tmp_path):
    def protect(state):
        if state.step == 5:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    with disks.small_disk(tmp_path / "disk") as disk:
        out = RunFolder(disk / "run", checkpoint_every=2)
        with pytest.raises(StorageError, match="cannot write the frame of step 6: read-only file system"):
            system().simulate(STEPS, save_every=SAVE_EVERY, callbacks=[protect], out=out, progress=False)
        assert open_run(disk / "run").final.step == 4
        with pytest.raises(StorageError, match="cannot go on with the run: read-only file system"):
            simulate(system(), disk / "run", resume=True)
        with pytest.raises(StorageError, match="cannot make the folder: read-only file system"):
            simulate(system(), disk / "another")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert same_frames(simulate(system(), disk / "run", resume=True), simulate(system()))


def test_a_finished_run_on_a_read_only_disk_can_be_read_and_resumed(tmp_path):
    with disks.small_disk(tmp_path / "disk") as disk:
        wanted = simulate(system(), disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert same_frames(open_run(disk / "run"), wanted)
        assert same_frames(simulate(system(), disk / "run", resume=True), wanted)
