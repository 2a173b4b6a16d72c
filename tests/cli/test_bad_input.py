"""Bad input ends with exit code 2 and a message that names it, never with a raw error."""

import os
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from interflow.cli import main
from interflow.errors import KernelError
from interflow.sums.series.nonuniform import is_installed

CONFIG = """
particles: {count: 20, dimension: 2}
boundary: {kind: periodic, lengths: 1.0, images: all}
backend: {kind: dense}
energy: {kind: interaction, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler, step_size: 0.005}
run: {steps: 2}
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Runs the command line in a folder with a config and a few points, and gives the message of bad input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(CONFIG)
    (tmp_path / "points.csv").write_text("x,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(9)))

    def run(*arguments):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2, done.output
        assert "--debug" not in done.output  # as raw errors end
        return done.output

    return run


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("particles.count", count) for count in ("100000000000000", "3e12", "1e20", "3e38")],
        ("particles.dimension", "1e20"),
        ("run.steps", "1e20"),
        *[("energy.kernel.sigma", sigma) for sigma in ("1e-160", "1e-308", "1e-30", "1e300")],
        *[("boundary.lengths", lengths) for lengths in ("1e300", "1e-300")],
        *[("device", name) for name in ("meta", "cuda:99")],
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_and_devices_that_no_run_can_have_are_refused_by_field(refused, field, value, dtype):
    if (value, dtype) == ("1e-30", "float64"):
        value = "1e-155"
    message = refused("run", "run.yaml", "--out", "out", "--set", f"dtype={dtype}", "--set", f"{field}={value}")
    assert f"--set: {field}: got" in message
    assert not os.path.exists("out")


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "x..y", "a b", "/"])
def test_a_plugin_of_no_name_of_a_module_is_refused(refused, name):
    assert f"`plugin`: got {name or 'nothing'}, wanted a module" in refused("run", "run.yaml", "--plugin", name)


@pytest.mark.parametrize(
    ("kind", "dimension", "field"),
    [
        ("nufft", 1, "tolerance"),
        ("fourier", 3, "tolerance"),
        ("sorted", 2, "tolerance"),
        ("sorted", 3, "directions"),
        ("sorted, sampling: quasi", 2, "directions"),
    ],
)
def test_an_approximate_backend_without_what_its_error_follows_from_is_refused_by_field(
    refused, tmp_path, kind, dimension, field
):
    np.save(tmp_path / "points.npy", np.eye(5)[:, :dimension])
    backend = f"backend={{kind: {kind}}}"
    for arguments in (("run", "run.yaml", "--set", f"particles.dimension={dimension}"), ("fit", "points.npy")):
        message = refused(*arguments, "--set", backend, "--out", "out")
        assert f"--set: backend.{field}: got none, wanted" in message
        assert not os.path.exists("out")


def test_sorted_on_the_line_is_exact_and_needs_no_tolerance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(CONFIG)
    distance = "energy.kernel={kind: laplacian, sigma: 0.1}"
    fields = ("particles.dimension=1", "backend={kind: sorted}", distance)
    settings = [argument for field in fields for argument in ("--set", field)]
    assert CliRunner().invoke(main, ["run", "run.yaml", "--out", "out", "--quiet", *settings]).exit_code == 0


def test_a_backend_whose_package_is_missing_is_refused_with_its_extra(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "finufft", None)
    is_installed.cache_clear()
    try:
        message = refused("run", "run.yaml", "--set", "backend={kind: nufft, tolerance: 1e-3}", "--out", "out")
    finally:
        is_installed.cache_clear()
    assert "the package finufft is not installed: pip install 'interflow-particles[fast]'" in message
    assert not os.path.exists("out")


def test_a_kernel_that_cannot_be_used_is_bad_input(refused, monkeypatch):
    def fail(*arguments, **options):
        raise KernelError("its formula is no formula")

    monkeypatch.setattr("interflow.config.run_config.RunConfig.build", fail)
    assert "its formula is no formula" in refused("run", "run.yaml", "--out", "out")


def test_what_is_no_file_is_no_target(refused, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    assert "folder.csv: got a folder, wanted a file" in refused("fit", "folder.csv")
    for name in ("pipe.csv", "/dev/zero"):
        assert f"{name}: got a pipe or a device, wanted a file" in refused("fit", name)
        assert f"{name}: got a pipe or a device" in refused("fit", "points.csv", "--source", name)


@pytest.mark.parametrize("path", ["file/run", "file/run/deep", "/dev/null/run", "x" * 300])
def test_a_path_that_cannot_be_made_is_refused(refused, tmp_path, path):
    assert CliRunner().invoke(main, ["run", "run.yaml", "--out", "out", "--quiet"]).exit_code == 0
    (tmp_path / "file").write_text("mine")
    for verb in (("run", "run.yaml"), ("fit", "points.csv", "--points", "3")):
        assert f"`out`: got {path}" in refused(*verb, "--out", path)
    for suffix in (".npz", ".gsd", ".csv", ".xyz"):
        assert f"`file`: got {path}{suffix}" in refused("export", "out", f"{path}{suffix}")
    for suffix in (".png", ".gif", ".html"):
        ways = {".png": (), ".gif": ("--movie",), ".html": ("--html",)}
        assert f"got {path}{suffix}" in refused("show", "out", *ways[suffix], "--out", f"{path}{suffix}")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("path", ["missing", "file/in", "x" * 300])
def test_a_file_that_is_not_there_is_told(refused, tmp_path, path):
    (tmp_path / "file").write_text("mine")
    assert f"{path}.yaml: config: got" in refused("run", f"{path}.yaml")
    assert f"{path}.csv: got no such file" in refused("fit", f"{path}.csv")
    assert f"{path}.csv: got no such file" in refused("fit", "points.csv", "--source", f"{path}.csv")
    assert f"{path}.yaml: config: got" in refused("fit", "points.csv", "--config", f"{path}.yaml")
    assert f"`plugin`: got {path}.py" in refused("run", "run.yaml", "--plugin", f"{path}.py")
    assert f"`run`: got {path}" in refused("run", "--resume", path)


def test_what_is_not_utf_8_is_refused(refused, tmp_path):
    for name in ("bytes.yaml", "bytes.csv"):
        (tmp_path / name).write_bytes(b"x,y\n1,\xff\n")
    assert "bytes that are not UTF-8" in refused("run", "bytes.yaml")
    assert "bytes.csv" in refused("fit", "bytes.csv")


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"null", b'{"name": 3}', b'{"energies": []}'])
def test_a_damaged_summary_is_told(refused, tmp_path, text):
    assert CliRunner().invoke(main, ["run", "run.yaml", "--out", "out", "--quiet"]).exit_code == 0
    (tmp_path / "out" / "summary.json").write_bytes(text)
    assert "summary.json" in refused("run", "--resume", "out")
    (tmp_path / "out" / "summary.json").unlink()
    (tmp_path / "out" / "summary.json").mkdir()
    assert "summary.json, which is damaged" in refused("show", "out", "--picture", "energy")


def test_of_many_problems_the_first_are_told(refused, tmp_path):
    config = yaml.safe_load(CONFIG)
    config["energy"] = {"kind": "sum", "terms": [{"a": 1}] * 2000}
    (tmp_path / "many.yaml").write_text(yaml.dump(config, Dumper=_WithoutAliases))
    message = refused("run", "many.yaml")
    assert len(message) < 3000
    assert "energy.terms.19.kind" in message
    assert "… and 1980 more" in message


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True
