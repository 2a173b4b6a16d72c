"""The examples run: here with few particles."""

import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

import interflow as fl
from interflow.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples"
CONFIGS = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_config_runs(config, tmp_path):
    small = ["--set", "particles.count=50", "--set", "run.steps=20", "--set", "backend.kind=dense"]
    done = CliRunner().invoke(main, ["run", str(config), "--out", str(tmp_path / "run"), *small])
    assert done.exit_code == 0, done.output


def test_the_tour_and_the_open_plane_are_the_seed():
    tour, plane, million = (fl.config.load(EXAMPLES / name) for name in ("tour.yaml", "open.yaml", "million.yaml"))
    assert tour.boundary.model_dump() == {"kind": "periodic", "lengths": 1.0, "lower": 0.0, "images": "nearest"}
    assert plane.boundary.kind == "open"
    assert (tour.integrator.step_size, plane.integrator.step_size) == (1 / 200, 1 / 500)
    assert tour.energy == plane.energy
    assert tour.particles == plane.particles
    assert tour.run == plane.run
    assert (million.particles.count, million.boundary.images) == (1_000_000, "all")
    assert (million.energy, million.integrator, million.run.steps) == (tour.energy, tour.integrator, tour.run.steps)


def test_the_script_of_the_tour_compares_flows_and_draws(tmp_path, capsys):
    picture = tmp_path / "tour.png"
    script = runpy.run_path(str(EXAMPLES / "tour.py"))
    script["main"](["--particles", "200", "--steps", "20", "--backends", "dense", "--picture", str(picture)])
    zero, positive, differences, *_ = capsys.readouterr().out.splitlines()
    assert "= 0," in zero
    assert float(positive.split(" = ")[1].split(",")[0]) > 0
    fused, differentiated = (float(part.split()[-1]) for part in differences.split(","))
    assert max(fused, differentiated) <= 3e-7
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_kernel_ridge_regression_of_many_outputs_removes_the_noise(capsys):
    script = runpy.run_path(str(EXAMPLES / "kernel_ridge.py"))
    script["main"](["--points", "1500", "--outputs", "3", "--backend", "dense"])
    solved, judged = capsys.readouterr().out.splitlines()
    assert int(solved.split(": ")[1].split()[0]) < 200
    error, noise = (float(part.split()[-1]) for part in judged.split(", "))
    assert error < 0.6 * noise
