"""A run in a folder ends as one in memory does, however often it is broken off."""

import contextlib
import os
import shutil
import threading
from dataclasses import replace

import pytest
import torch

from interflow import (
    ArgumentError,
    Euler,
    EulerMaruyama,
    ExplicitRungeKutta,
    GaussianKernel,
    Integrator,
    InteractionEnergy,
    LaplacianKernel,
    NonFiniteError,
    ParticleSystem,
    PeriodicBoundary,
    RunFolder,
    RunStoppedError,
    StorageError,
    open_run,
    run,
)
from interflow.reporters import CsvReport
from interflow.storage.checkpoint import latest
from interflow.storage.manifest import Manifest, NumericalEnvironment
from interflow.storage.run_folder import check_report
from tests.flows import cloud, generator, repulsion, same, torus_system
from tests.storage.runs import INTEGRATORS, SAVE_EVERY, STEPS, same_frames, simulate, system

TORUS = PeriodicBoundary(1.0)


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
        ("energy.energy.kernel", {"energy": -2.0 * InteractionEnergy(LaplacianKernel(0.1), boundary=TORUS)}),
        ("energy", {"energy": InteractionEnergy(GaussianKernel(0.1), boundary=TORUS)}),
        ("energy.boundary", {"energy": -2.0 * repulsion(sigma=0.1)}),
        ("boundary", {"energy": -2.0 * repulsion(PeriodicBoundary(2.0), sigma=0.1)}),
        ("config", {"config": "seed: 1\n"}),
        ("generator", {"generator": None}),
    ],
)
def test_another_run_is_not_taken_for_the_one_in_the_folder(tmp_path, name, change):
    broken_off(tmp_path / "run")
    before = contents(tmp_path)
    other = ParticleSystem(
        change.get("positions", cloud()),
        energy=change.get("energy", -2.0 * repulsion(TORUS, sigma=0.1)),
        integrator=change.get("integrator", INTEGRATORS["noise"]()),
        generator=change.get("generator", generator()),
    )
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


def test_numbers_that_are_not_those_of_the_run_are_told_and_not_used(tmp_path, caplog):
    broken_off(tmp_path / "run")
    other = torus_system(EulerMaruyama(0.02, temperature=0.1))
    assert same_frames(simulate(other, tmp_path / "run", resume=True), simulate(system()))
    assert "its own integrator.step_size" in caplog.text


def test_only_a_folder_with_a_run_can_be_resumed(tmp_path):
    for name in (".", "missing"):
        with pytest.raises(ArgumentError, match="a folder that `interflow run`"):
            simulate(system(), tmp_path / name, resume=True)
    with pytest.raises(ArgumentError, match="resume"):
        simulate(system(), resume=True)


def with_choices(folder, **changes):
    """Give the last checkpoint of a run other choices."""
    checkpoint = latest(folder)
    replace(checkpoint, choices=checkpoint.choices.model_copy(update=changes)).write(folder)


@pytest.mark.parametrize(("name", "value"), [("backends", ["compiled"]), ("tolerances", [1e-3])])
def test_what_summed_the_pairs_must_sum_them_again(tmp_path, name, value):
    broken_off(tmp_path / "run")
    with_choices(tmp_path / "run", **{name: value})
    with pytest.raises(ArgumentError, match=str(value[0])) as caught:
        simulate(system(), tmp_path / "run", resume=True)
    assert caught.value.argument == name


def test_other_tiles_or_versions_than_then_are_told(tmp_path, caplog):
    broken_off(tmp_path / "run")
    with_choices(tmp_path / "run", settings=["Dense(tile=77)"], versions={"torch": "0.1"})
    simulate(system(), tmp_path / "run", resume=True)
    assert "Dense(tile=77) → Dense(tile=768)" in caplog.text
    assert "0.1" in caplog.text


def test_the_threads_and_the_precision_of_the_run_are_taken_again(tmp_path, caplog):
    seen = []

    def look(state):
        seen.append((torch.get_num_threads(), torch.get_float32_matmul_precision()))

    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    broken_off(tmp_path / "run")
    with_choices(tmp_path / "run", threads=before[0] + 1, precision="medium")
    out = RunFolder(tmp_path / "run")
    system().simulate(STEPS, save_every=SAVE_EVERY, callbacks=[look], out=out, resume=True, progress=False)
    assert set(seen) == {(before[0] + 1, "medium")}
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
    assert "may differ" not in caplog.text


class Spreading(Integrator):
    """Euler's method, which sends the cloud far apart at its fourth step."""

    def step(self, state, dynamics, generator):
        state = Euler(0.01).step(state, dynamics, generator)
        return state.replace(positions=1e4 * state.positions) if state.step == 4 else state


def test_a_run_whose_sums_change_their_backend_on_the_way_goes_on(tmp_path):
    def spreading():
        energy = InteractionEnergy(GaussianKernel(sigma=0.1), tolerance=1e-3)
        return ParticleSystem(cloud(2000, dimension=1), energy=energy, integrator=Spreading())

    first = spreading()
    begun = NumericalEnvironment.capture(first).backends
    with pytest.raises(RunStoppedError):
        simulate(first, tmp_path / "run", stop_at=7)
    assert NumericalEnvironment.capture(first).backends != begun
    assert same_frames(simulate(spreading(), tmp_path / "run", resume=True), simulate(spreading()))


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


def test_a_manifest_cannot_name_arrays_outside_the_folder(tmp_path, monkeypatch):
    broken_off(tmp_path / "run")
    manifest = Manifest.read(tmp_path / "run")
    arrays = {**manifest.arrays, "../../outside": manifest.arrays["positions"]}
    harmful = manifest.model_copy(update={"arrays": arrays})
    with pytest.raises(StorageError, match="cannot hold arrays"):
        harmful.write(tmp_path / "run")
    with monkeypatch.context() as unchecked:
        unchecked.setattr(Manifest, "model_validate", lambda data: None)
        harmful.write(tmp_path / "run")
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


@pytest.mark.parametrize("leave", [lambda folder: folder.rename(folder.with_name("moved")), shutil.rmtree])
def test_a_run_whose_folder_is_gone_stops_at_the_next_frame_and_makes_nothing_anew(tmp_path, leave):
    made = []

    def interfere(state):
        made.append(state.step)
        if state.step == 4:
            leave(tmp_path / "run")

    with pytest.raises(StorageError, match=r"frame of step 6: the folder was removed or renamed"):
        system().simulate(
            STEPS,
            save_every=SAVE_EVERY,
            callbacks=[interfere],
            out=RunFolder(tmp_path / "run", checkpoint_every=100),
            progress=False,
        )
    assert made[-1] == 5
    assert not (tmp_path / "run").exists()
    if (tmp_path / "moved").exists():
        assert same_frames(simulate(system(), tmp_path / "moved", resume=True), simulate(system()))


def test_a_run_in_whose_place_another_folder_is_put_leaves_that_alone(tmp_path):
    def replace_folder(state):
        if state.step == 4:
            (tmp_path / "run").rename(tmp_path / "moved")
            (tmp_path / "run").mkdir()

    with pytest.raises(StorageError, match="removed or renamed"):
        system().simulate(STEPS, callbacks=[replace_folder], out=RunFolder(tmp_path / "run"), progress=False)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_fails_to_start_leaves_nothing(tmp_path):
    def fail(state):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        simulate(system(), tmp_path / "run", observables={"wrong": fail})
    columns = {"mean": lambda state: state.positions.mean(0), "mean_0": lambda state: state.positions.mean()}
    with pytest.raises(ArgumentError, match="columns 'mean_0'"):
        simulate(system(), tmp_path / "run", observables=columns)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_resumes_before_its_first_frame_keeps_its_folder(tmp_path):
    def leave_it(state):
        (tmp_path / "run").rename(tmp_path / "kept")  # as if the process were killed now: what is not there stays

    with pytest.raises(StorageError, match="removed or renamed"):
        simulate(system(), tmp_path / "run", observables={"any": lambda state: leave_it(state) or state.time})
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            simulate(system(), tmp_path / "kept", resume=True, observables={"wrong": lambda state: 1 / 0})
    assert same_frames(simulate(system(), tmp_path / "kept", resume=True), simulate(system()))


def test_numbered_folders_are_the_first_that_are_free(tmp_path):
    for name in ("run", "run-2", "run-3"):
        out = RunFolder(tmp_path / "run", numbered=True)
        system().simulate(1, out=out, progress=False)
        assert out.path == tmp_path / name
        assert len(open_run(out.path)) == 2


def test_no_checkpoint_is_ever_of_a_state_that_is_not_finite(tmp_path, monkeypatch):
    monkeypatch.setitem(run.CHECK_INTERVAL, "cpu", 100)  # as on a GPU, where steps are not looked at one by one

    def spoil(state):
        if state.step == 5:
            explosive.energy.velocity = lambda positions, weights: torch.full_like(positions, float("nan"))
        if state.step == 9:
            raise ZeroDivisionError  # nothing is saved on the way out

    explosive = torus_system(INTEGRATORS["noise"]())
    out = RunFolder(tmp_path / "run", checkpoint_every=1)
    with pytest.raises(ZeroDivisionError):
        explosive.simulate(STEPS, callbacks=[spoil], out=out, progress=False)
    assert latest(tmp_path / "run").step == 5
    assert latest(tmp_path / "run").state.is_finite()


def two_terms():
    """A system whose terms are summed by two backends."""
    terms = [
        InteractionEnergy(LaplacianKernel(0.1), backend="sorted"),
        InteractionEnergy(GaussianKernel(0.1), backend="dense"),
    ]
    return ParticleSystem(
        cloud(12, dimension=1), energy=terms[0] + terms[1], integrator=EulerMaruyama(0.01, 0.1), generator=generator()
    )


@pytest.mark.parametrize("term", [0, 1])
def test_every_term_of_an_energy_goes_on_with_its_own_backend(tmp_path, term):
    assert NumericalEnvironment.capture(two_terms()).backends == ["sorted", "dense"]
    wanted = simulate(two_terms())
    with pytest.raises(RunStoppedError):
        simulate(two_terms(), tmp_path / "run", stop_at=5)
    changed = ["sorted", "dense"]
    changed[term] = "keops"
    before = latest(tmp_path / "run")
    with_choices(tmp_path / "run", backends=changed)
    with pytest.raises(ArgumentError, match="keops") as caught:
        simulate(two_terms(), tmp_path / "run", resume=True)
    assert caught.value.argument == "backends"
    before.write(tmp_path / "run")
    assert same_frames(simulate(two_terms(), tmp_path / "run", resume=True), wanted)


def test_a_resumed_run_tells_all_its_steps_and_which_of_them_were_made_before(tmp_path):
    broken_off(tmp_path / "run")
    stats = simulate(system(), tmp_path / "run", resume=True).stats
    assert (stats["steps"], stats["steps_before"]) == (STEPS, 5)
    assert stats["steps_per_second"] == (STEPS - 5) / stats["seconds"]


def tabled(folder, **options):
    """The run with a table of every other step."""
    table = CsvReport(folder / "report.csv", {"mean": lambda state: state.positions.mean()}, every=2, resume=True)

    def stop(state):
        if state.step == options.get("stop_at"):
            raise RunStoppedError("enough")

    out = RunFolder(folder, checkpoint_every=1)
    resume = options.get("resume", False)
    return system().simulate(STEPS, callbacks=[table, stop], out=out, resume=resume, progress=False)


def test_a_damaged_table_is_refused_and_a_missing_one_told(tmp_path, caplog):
    tabled(tmp_path / "whole")
    with pytest.raises(RunStoppedError):
        tabled(tmp_path / "run", stop_at=7)
    file, good = tmp_path / "run/report.csv", (tmp_path / "run/report.csv").read_bytes()
    for place in range(len(good)):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(StorageError, match="damaged"):
            check_report(file, 7, latest(tmp_path / "run").report)
    for damaged in (good[:-9], b"", good.splitlines(keepends=True)[0]):
        file.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"report\.csv: damaged"):
            tabled(tmp_path / "run", resume=True)
    file.write_bytes(good + b"8,0.08,0.5\r\n8,0.0")  # rows after the checkpoint are made again
    tabled(tmp_path / "run", resume=True)
    assert file.read_bytes() == (tmp_path / "whole/report.csv").read_bytes()
    file.unlink()
    tabled(tmp_path / "run", resume=True)
    assert "report.csv: missing" in caplog.text
