"""``interflow run`` can be stopped and goes on, and says in one line what to do."""

import errno
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

import interflow as fl
from interflow.cli import main
from interflow.config.document import MAX_BYTES
from interflow.storage.checkpoint import latest
from interflow.storage.run_folder import FolderWriter

CONFIG = """
seed: 3
particles: {count: 20, dimension: 2}
boundary: {kind: periodic, lengths: 1.0}
energy: {kind: interaction, scale: -2.0, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler_maruyama, step_size: 0.005, temperature: 0.01}
run: {steps: 9, save_every: 2}
"""


@pytest.fixture
def interflow(tmp_path, monkeypatch):
    """Runs the command line in a folder that holds ``noise.yaml``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.yaml").write_text(CONFIG)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def at_step(monkeypatch):
    """Has something done when a step of a run in a folder is made."""

    def do(step, action):
        original = FolderWriter.after_step

        def after_step(self, state):
            if state.step == step:
                action()
            original(self, state)

        monkeypatch.setattr(FolderWriter, "after_step", after_step)

    return do


def same(first, second):
    runs = [fl.open_run(folder) for folder in (first, second)]
    pairs = [[np.asarray(getattr(run, name)) for run in runs] for name in ("positions", "times", "energies", "steps")]
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_after_the_step_and_it_goes_on_from_there(interflow, at_step, number, code):
    assert interflow("run", "noise.yaml", "--out", "whole").exit_code == 0
    at_step(5, lambda: signal.raise_signal(number))
    before = signal.getsignal(number)
    done = interflow("run", "noise.yaml", "--out", "here")
    assert done.exit_code == code, done.output
    assert "Stopped after step 6" in done.stderr
    assert "interflow run --resume here" in done.stderr
    assert signal.getsignal(number) == before
    assert fl.open_run("here").final.step == 6
    again = interflow("run", "--resume", "here")
    assert again.exit_code == 0, again.output
    assert "at step 6 of 9" in again.stderr
    assert same("here", "whole")


def test_the_time_limit_ends_the_run(interflow, tmp_path):
    done = interflow("run", "noise.yaml", "--out", "here", "--time-limit", "0")
    assert done.exit_code == 124, done.output
    assert "the time limit is reached" in done.stderr
    assert fl.open_run("here").final.step == 1
    assert not (tmp_path / "here/summary.json").exists()


def test_resuming_a_finished_run_changes_nothing_and_is_done(interflow, tmp_path):
    assert interflow("run", "noise.yaml", "--out", "here").exit_code == 0
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "here").rglob("*")}
    done = interflow("run", "--resume", "here")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "here"
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "here").rglob("*")} == before


def test_a_run_that_lacks_only_its_summary_gets_it(interflow, tmp_path):
    assert interflow("run", "noise.yaml", "--out", "here").exit_code == 0
    for name in ("summary.json", "evolution.png"):
        (tmp_path / "here" / name).unlink()
    assert interflow("run", "--resume", "here").exit_code == 0
    assert (tmp_path / "here/summary.json").exists()
    assert (tmp_path / "here/evolution.png").exists()


def test_a_disk_that_is_full_is_told_in_one_line_and_leaves_the_earlier_checkpoint(interflow, monkeypatch):
    assert interflow("run", "noise.yaml", "--out", "whole").exit_code == 0
    write = FolderWriter.write_frame

    def fill_up(self, state, scalars):
        with monkeypatch.context() as patch:
            if state.step == 6:
                patch.setattr(
                    "os.fsync",
                    lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
                )
            write(self, state, scalars)

    with monkeypatch.context() as patch:
        patch.setattr(FolderWriter, "write_frame", fill_up)
        done = interflow("run", "noise.yaml", "--out", "here", "--set", "run.checkpoint_every=0")
    assert done.exit_code == 1, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "no space left on device" in line
    assert "interflow run --resume here" in line
    assert fl.open_run("here").final.step == 5
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing CONFIG"),
        (["noise.yaml", "--resume", "here"], "without CONFIG"),
        (["--resume", "here", "--set", "seed=1"], "without CONFIG"),
        (["--resume", "."], "without a run in it"),
        (["--resume", "missing"], "no folder"),
        (["noise.yaml", "--time-limit", "soon"], "90s, 45m or 1h30m"),
        (["noise.yaml", "--set", "run.checkpoint_every=-1"], "run.checkpoint_every: got -1"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(interflow, arguments, said):
    done = interflow("run", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_table_of_a_run_that_goes_on_equals_that_of_one_that_was_never_broken(interflow, at_step, tmp_path):
    arguments = ("--set", "run.report_every=2", "--set", "observables.speed={kind: mean_speed}")
    assert interflow("run", "noise.yaml", "--out", "whole", *arguments).exit_code == 0
    at_step(5, lambda: signal.raise_signal(signal.SIGINT))
    assert interflow("run", "noise.yaml", "--out", "here", *arguments).exit_code == 130
    assert interflow("run", "--resume", "here").exit_code == 0
    whole, here = ((tmp_path / name / "report.csv").read_text() for name in ("whole", "here"))
    assert here == whole
    assert [line.split(",")[0] for line in whole.splitlines()] == ["step", "2", "4", "6", "8"]
    assert whole.splitlines()[0] == "step,time,energy,speed"
    run = fl.open_run("whole")
    energies = [float(line.split(",")[2]) for line in whole.splitlines()[1:]]
    np.testing.assert_array_equal(energies, run.energies[1:5])


def test_a_config_that_is_larger_with_every_field_filled_in_goes_on(interflow, tmp_path):
    target = ",".join(f"[.{number:05d},.{number:05d}]" for number in range(12_500))
    energy = f"{{kind: discrepancy, discrepancy: {{kind: sliced_wasserstein}}, target: [{target}]}}"
    config = {**yaml.safe_load(CONFIG), "boundary": {"kind": "open"}, "energy": None}
    text = yaml.safe_dump(config).replace("energy: null", f"energy: {energy}")
    (tmp_path / "large.yaml").write_text(text)
    assert interflow("run", "large.yaml", "--out", "here", "--time-limit", "0").exit_code == 124
    assert len(text) < MAX_BYTES < len((tmp_path / "here/config.yaml").read_text())
    done = interflow("run", "--resume", "here", "--time-limit", "0")
    assert done.exit_code == 124, done.output


def test_overwriting_needs_to_be_asked_for(interflow):
    assert interflow("run", "noise.yaml", "--out", "here").exit_code == 0
    refused = interflow("run", "noise.yaml", "--out", "here")
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert interflow("run", "noise.yaml", "--out", "here", "--overwrite", "--set", "run.steps=2").exit_code == 0
    assert len(fl.open_run("here")) == 2


def test_a_config_that_was_changed_since_is_not_the_config_of_the_run(interflow, tmp_path):
    assert interflow("run", "noise.yaml", "--out", "here", "--time-limit", "0").exit_code == 124
    config = tmp_path / "here/config.yaml"
    config.write_text(config.read_text().replace("seed: 3", "seed: 4"))
    done = interflow("run", "--resume", "here")
    assert done.exit_code == 2
    assert "changed since the run began" in done.stderr


def test_the_threads_of_the_run_are_taken_again(interflow):
    threads = torch.get_num_threads()
    try:
        assert interflow("run", "noise.yaml", "--out", "here", "--time-limit", "0").exit_code == 124
        torch.set_num_threads(threads + 1)
        done = interflow("run", "--resume", "here")
        assert done.exit_code == 0, done.output
        assert "may differ" not in done.stderr
        assert latest(Path("here")).choices.threads == threads
    finally:
        torch.set_num_threads(threads)


def test_nothing_in_the_folder_names_code_so_plugins_are_named_again(interflow, tmp_path):
    assert interflow("run", "noise.yaml", "--out", "here", "--time-limit", "0").exit_code == 124
    config = tmp_path / "here/config.yaml"
    config.write_text(config.read_text().replace("kind: gaussian", "kind: os.system"))
    done = interflow("run", "--resume", "here")
    assert done.exit_code == 2
    assert "os.system" in done.stderr
