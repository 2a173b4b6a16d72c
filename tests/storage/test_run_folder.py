"""A run in a folder ends as one in memory does, however often it is broken off."""

import contextlib
import os
import threading

import pytest
import torch

from interflow import (
    ArgumentError,
    Euler,
    ExplicitRungeKutta,
    NonFiniteError,
    RunFolder,
    RunStoppedError,
    StorageError,
    open_run,
)
from interflow.storage.manifest import Manifest
from tests.flows import cloud, same, torus_system
from tests.storage.runs import INTEGRATORS, SAVE_EVERY, STEPS, same_frames, simulate, system


def contents(folder):
    """Every file with its content."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def broken_off(folder, stop_at=5, **options):
    with pytest.raises(RunStoppedError):
        simulate(system(), folder, stop_at=stop_at, **options)


@pytest.mark.parametrize("kind", INTEGRATORS)
def test_a_run_in_a_folder_is_the_run_in_memory(tmp_path, kind):
    assert same_frames(simulate(system(kind), tmp_path / "deep" / "run"), simulate(system(kind)))


@pytest.mark.parametrize("stop_at", [1, 3, 5, 12])
@pytest.mark.parametrize("kind", INTEGRATORS)
def test_a_run_that_goes_on_equals_one_that_was_never_broken(tmp_path, kind, stop_at):
    unbroken, first, second = system(kind), system(kind), system(kind)
    wanted = simulate(unbroken)
    with pytest.raises(RunStoppedError):
        simulate(first, tmp_path / "run", stop_at=stop_at, checkpoint_every=100)
    found = simulate(second, tmp_path / "run", resume=True)
    assert same_frames(found, wanted)
    assert same(found.final, wanted.final)
    assert same(second.state, unbroken.state)
    assert torch.equal(second.generator.get_state(), unbroken.generator.get_state())


def test_a_system_that_ran_before_goes_on_from_its_own_steps(tmp_path):
    first, second = system(), system(seed=3)
    first.simulate(4, progress=False)
    with pytest.raises(RunStoppedError):
        simulate(first, tmp_path / "run", stop_at=7)
    assert simulate(second, tmp_path / "run", resume=True).steps.tolist() == [4, 7, 10, 13, 16]


def test_work_since_the_last_checkpoint_is_made_again_and_its_frames_are_not_counted_twice(tmp_path):
    def crash(state):
        if state.step == 11:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        system().simulate(
            STEPS,
            save_every=SAVE_EVERY,
            callbacks=[crash],
            out=RunFolder(tmp_path / "run", checkpoint_every=4),
            progress=False,
        )
    assert open_run(tmp_path / "run").steps.tolist() == [0, 3, 6, 9]
    assert open_run(tmp_path / "run").final.step == 8
    assert same_frames(simulate(system(), tmp_path / "run", resume=True), simulate(system()))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    wanted = simulate(system(), tmp_path / "run")
    before = contents(tmp_path / "run")
    resumed = system(seed=1)
    assert same_frames(simulate(resumed, tmp_path / "run", resume=True), wanted)
    assert same(resumed.state, wanted.final)
    assert contents(tmp_path / "run") == before


def test_a_finished_run_whose_last_checkpoint_is_damaged_is_finished_again(tmp_path):
    wanted = simulate(system(), tmp_path / "run", checkpoint_every=5)
    (tmp_path / "run" / "last.checkpoint").write_bytes(b"damaged")
    found = simulate(system(), tmp_path / "run", checkpoint_every=5, resume=True)
    assert same_frames(found, wanted)
    assert same(open_run(tmp_path / "run").final, wanted.final)


def test_config_manifest_and_checkpoint_are_there_before_the_first_step(tmp_path):
    names = []

    class Watching(ExplicitRungeKutta):
        tableau = Euler.tableau

        def init(self, state):
            if (tmp_path / "run").exists() and not names:
                names.extend(sorted(path.name for path in (tmp_path / "run").iterdir()))
            return super().init(state)

    out = RunFolder(tmp_path / "run", config="seed: 0\n")
    torus_system(Watching(0.01)).simulate(1, out=out, progress=False)
    assert {"config.yaml", "last.checkpoint", "manifest.json"} <= set(names)


def test_nothing_but_the_run_is_left(tmp_path):
    simulate(system(), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"frames.zarr", "last.checkpoint", "manifest.json", "prev.checkpoint"}


def test_what_exists_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in (".", "file"):
        with pytest.raises(ArgumentError, match="out"):
            simulate(system(), tmp_path / name)
    simulate(system(), tmp_path / "run")
    before = contents(tmp_path)
    with pytest.raises(ArgumentError, match="--overwrite"):
        simulate(system(), tmp_path / "run")
    assert contents(tmp_path) == before


def test_a_run_is_overwritten_on_demand_and_nothing_else_ever(tmp_path):
    simulate(system(seed=5), tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for name in ("mine", "link"):
        with pytest.raises(ArgumentError, match="out"):
            system().simulate(1, out=RunFolder(tmp_path / name, overwrite=True), progress=False)
    assert (tmp_path / "mine" / "manifest.json").read_text() == "{}"
    assert len(open_run(tmp_path / "run")) == 5
    system().simulate(1, out=RunFolder(tmp_path / "run", overwrite=True), progress=False)
    assert len(open_run(tmp_path / "run")) == 2


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("steps", {"steps": 13}),
        ("save_every", {"save_every": 4}),
        ("integrator", {"integrator": Euler(0.1)}),
        ("positions", {"positions": cloud(7)}),
        ("positions", {"positions": cloud().float()}),
        ("config", {"config": "seed: 1\n"}),
        ("generator", {"generator": None}),
    ],
)
def test_another_run_is_not_taken_for_the_one_in_the_folder(tmp_path, name, change):
    broken_off(tmp_path / "run")
    before = contents(tmp_path)
    other = torus_system(change.get("integrator", INTEGRATORS["noise"]()), positions=change.get("positions"))
    if "generator" in change:
        other.generator = None
    out = RunFolder(tmp_path / "run", config=change.get("config", ""))
    with pytest.raises(ArgumentError) as caught:
        other.simulate(
            change.get("steps", STEPS),
            save_every=change.get("save_every", SAVE_EVERY),
            out=out,
            resume=True,
            progress=False,
        )
    assert caught.value.argument == name
    assert contents(tmp_path) == before


def test_only_a_folder_with_a_run_can_be_resumed(tmp_path):
    for name in (".", "missing"):
        with pytest.raises(ArgumentError, match="a folder that `interflow run`"):
            simulate(system(), tmp_path / name, resume=True)
    with pytest.raises(ArgumentError, match="resume"):
        simulate(system(), resume=True)


def test_the_backend_that_ran_must_run_again(tmp_path):
    broken_off(tmp_path / "run")
    manifest = Manifest.read(tmp_path / "run")
    choices = manifest.choices.model_copy(update={"backends": ["compiled"]})
    manifest.model_copy(update={"choices": choices}).write(tmp_path / "run")
    with pytest.raises(ArgumentError, match="compiled"):
        simulate(system(), tmp_path / "run", resume=True)


def test_other_threads_than_then_are_told(tmp_path, caplog):
    broken_off(tmp_path / "run")
    manifest = Manifest.read(tmp_path / "run")
    choices = manifest.choices.model_copy(update={"threads": 77})
    manifest.model_copy(update={"choices": choices}).write(tmp_path / "run")
    simulate(system(), tmp_path / "run", resume=True)
    assert "threads 77" in caplog.text


def test_a_folder_that_is_being_written_is_left_alone(tmp_path):
    refused = []

    def intrude(state):
        for options in ({"resume": True}, {"resume": False}):
            try:
                out = RunFolder(tmp_path / "run", overwrite=not options["resume"])
                system().simulate(STEPS, save_every=SAVE_EVERY, out=out, progress=False, **options)
            except StorageError as error:
                refused.append(str(error))

    system().simulate(
        STEPS, save_every=SAVE_EVERY, callbacks=[intrude], out=RunFolder(tmp_path / "run"), progress=False
    )
    assert len(refused) == 2 * STEPS
    assert all("another process" in message for message in refused)


@pytest.mark.parametrize("where", [".last.checkpoint.new", "frames.zarr/positions/c/3", "note.txt"])
def test_links_that_could_lead_out_of_the_folder_are_refused(tmp_path, where):
    broken_off(tmp_path / "run")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    link = tmp_path / "run" / where
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(outside)
    for use in (lambda: simulate(system(), tmp_path / "run", resume=True), lambda: open_run(tmp_path / "run")):
        with pytest.raises(StorageError, match="symbolic link"):
            use()
    assert outside.read_text() == "mine"


def test_a_manifest_cannot_name_arrays_outside_the_folder(tmp_path):
    broken_off(tmp_path / "run")
    manifest = Manifest.read(tmp_path / "run")
    arrays = {**manifest.arrays, "../../outside": manifest.arrays["positions"]}
    manifest.model_copy(update={"arrays": arrays}).write(tmp_path / "run")
    with pytest.raises(StorageError, match="damaged"):
        open_run(tmp_path / "run")


def test_a_state_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path):
    explosive = torus_system(INTEGRATORS["noise"]())
    velocity = explosive.energy.velocity

    def explode(state):
        if state.step == 7:
            explosive.energy.velocity = lambda positions, weights: velocity(positions, weights) * float("nan")

    with pytest.raises(NonFiniteError, match="step 8"):
        explosive.simulate(
            STEPS,
            save_every=SAVE_EVERY,
            callbacks=[explode],
            out=RunFolder(tmp_path / "run", checkpoint_every=1),
            progress=False,
        )
    assert open_run(tmp_path / "run").final.step == 7
    assert same_frames(simulate(system(), tmp_path / "run", resume=True), simulate(system()))


def test_a_run_outside_the_main_thread_is_kept_too(tmp_path):
    thread = threading.Thread(target=simulate, args=(system(), tmp_path / "run"))
    thread.start()
    thread.join()
    assert len(open_run(tmp_path / "run")) == 5


def test_the_folder_can_be_read_by_others_as_folders_are(tmp_path):
    simulate(system(), tmp_path / "run")
    (tmp_path / "other").mkdir()
    assert os.stat(tmp_path / "run").st_mode == os.stat(tmp_path / "other").st_mode
