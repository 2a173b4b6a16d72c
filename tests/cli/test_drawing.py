"""A picture that cannot be drawn costs no result: it is told in one line, and the exit code is 1."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import interflow as fl
from interflow.cli import main
from interflow.storage.points import read_points
from tests.config.cases import TOUR

NAME = "price $5 and $\\frac{_^数"
SMALL = ("--points", "10", "--set", "descent.steps=4", "--set", "backend.kind=dense")


@pytest.fixture
def interflow(tmp_path, monkeypatch):
    """Runs the command line in a folder that holds a config and a table of points, both of a difficult name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{NAME[:7]}$.yaml").write_text(TOUR)
    np.savetxt(tmp_path / f"{NAME}.csv".replace("/", ""), np.random.default_rng(0).normal(size=(80, 2)), delimiter=",")
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def no_text(monkeypatch):
    """Lets matplotlib fail as it does on a formula that it cannot parse."""

    def fail(*_):
        raise ValueError("\n$\\frac{\n^\nParseFatalException: expected a formula")

    monkeypatch.setattr("matplotlib.text.Text.draw", fail)
    monkeypatch.setattr("matplotlib.text.Text.get_window_extent", fail)


def test_a_config_and_a_target_may_have_any_name(interflow, tmp_path):
    done = interflow("run", f"{NAME[:7]}$.yaml")
    assert done.exit_code == 0, done.output
    folder = done.stdout.splitlines()[0]
    assert interflow("show", folder).exit_code == 0
    assert interflow("show", folder, "--movie", "--out", "movie.gif").exit_code == 0
    assert interflow("show", folder, "--html", "--out", "page.html").exit_code == 0
    done = interflow("fit", f"{NAME}.csv", *SMALL)
    assert done.exit_code == 0, done.output


def test_a_run_is_whole_without_its_picture(interflow, tmp_path, no_text, monkeypatch):
    done = interflow("run", f"{NAME[:7]}$.yaml", "--out", "here")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "here"
    (line,) = done.stderr.splitlines()
    assert "expected a formula" in line
    assert "interflow show here" in line
    assert fl.open_run("here").final.step == 4
    assert json.loads((tmp_path / "here/summary.json").read_text())["steps"] == 4
    assert not (tmp_path / "here/evolution.png").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert interflow("run", "--resume", "here").exit_code == 0
    assert (tmp_path / "here/evolution.png").exists()


def test_a_fit_is_whole_without_its_report(interflow, tmp_path, no_text):
    done = interflow("fit", f"{NAME}.csv", "--out", "here", *SMALL)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "here"
    (line,) = done.stderr.splitlines()
    assert "expected a formula" in line
    assert {file.name for file in (tmp_path / "here").iterdir()} == {"fitted.csv", "summary.json"}
    assert len(read_points(tmp_path / "here/fitted.csv").positions) == 10


def test_a_picture_that_cannot_be_drawn_costs_no_other(interflow, tmp_path, monkeypatch):
    assert interflow("run", f"{NAME[:7]}$.yaml", "--out", "here").exit_code == 0

    def fail(*_, **__):
        raise RuntimeError("no curve")

    monkeypatch.setattr("interflow.cli.pictures.energy_curve", fail)
    done = interflow("show", "here")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == ["No picture energy: RuntimeError: no curve"]
    assert done.stdout.split() == [os.path.join("here", f"{name}.png") for name in ("evolution", "kernel", "boundary")]


def test_settings_that_matplotlib_does_not_take_cost_no_result(interflow, tmp_path):
    command = [sys.executable, "-m", "interflow"]
    settings = {**os.environ, "MPLBACKEND": "none of these"}
    for verb in (("run", f"{NAME[:7]}$.yaml", "--out", "run"), ("fit", f"{NAME}.csv", "--out", "fit", *SMALL)):
        done = subprocess.run([*command, *verb], env=settings, capture_output=True, text=True)
        assert done.returncode == 1
        assert "is not drawn" in done.stderr
        assert (tmp_path / verb[0] / "summary.json").exists()
