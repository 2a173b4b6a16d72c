"""Runs survive kills, damage, full disks and what is written in configs: a short version of the campaign."""

from __future__ import annotations

import os
import subprocess

import pytest

from interflow import RunFolder, StorageError, open_run
from tests.faults import configs, damage, kills
from tests.flows import cloud, torus_system
from tests.storage.runs import INTEGRATORS, same_frames, simulate, system


def test_killed_runs_go_on_and_end_as_if_unbroken(tmp_path):
    figures = kills.campaign(4, tmp_path)
    assert (figures.killed, figures.resumed, figures.equal, figures.phantom_frames) == (4, 4, 4, 0)
    assert figures.most_steps_lost <= 1


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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_a_run_that_goes_on(small_disk):
    def large():
        return torus_system(INTEGRATORS["noise"](), positions=cloud(2000))

    def run(system, resume=False):
        out = RunFolder(small_disk / "run", checkpoint_every=1)
        return system.simulate(12, save_every=1, progress=False, out=out, resume=resume)

    filler = small_disk / "filler"
    filler.write_bytes(bytes(700_000))
    with pytest.raises(StorageError, match="no space left on device"):
        run(large())
    assert 0 < open_run(small_disk / "run").final.step < 12
    filler.unlink()
    assert same_frames(run(large(), resume=True), large().simulate(12, save_every=1, progress=False))
