"""interflow works without its extras, and what needs one says in one sentence which, and for what."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import interflow as fl
from interflow.cli import main
from tests.storage.points.files import good_files

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIRED = {"torch", "pykeops", "numpy", "pydantic", "pyyaml", "click", "tqdm", "matplotlib", "zarr", "scipy"}
IMPORTED_AS = {"imageio-ffmpeg": "imageio_ffmpeg", "mapbox-earcut": "mapbox_earcut", "pillow": "PIL", "pot": "ot"}
CONCAVE = "v 0 0 0\nv 2 0 0\nv 2 2 0\nv 1 0.5 0\nv 0 2 0\nf 1 2 3 4 5\n"

WITHOUT_EXTRAS = """
import sys
for name in {hidden}:
    sys.modules[name] = None
from interflow.cli import main
options = ["--out", "out", "--quiet", "--set", "run.steps=2", "--set", "particles.count=50"]
main(["run", "{tour}", *options], standalone_mode=False)
unused = ("interflow.storage.points", "interflow.storage.export", "interflow.views.movies", "interflow.views.page")
assert not set(unused) & sys.modules.keys(), unused
import importlib, pkgutil
import interflow
for module in pkgutil.walk_packages(interflow.__path__, "interflow."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def extras() -> dict[str, set[str]]:
    found = PROJECT["project"]["optional-dependencies"]
    return {extra: names(packages) for extra, packages in found.items() if extra != "all"}


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Makes a package one that cannot be imported, parts that were imported before included."""
    name = IMPORTED_AS.get(package, package)
    for module in [name, *(loaded for loaded in sys.modules if loaded.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each format, and a small run."""
    monkeypatch.chdir(tmp_path)
    good_files(tmp_path)
    (tmp_path / "concave.obj").write_text(CONCAVE)
    well = fl.ExternalEnergy(lambda x: x.square().sum(-1))
    system = fl.ParticleSystem(torch.ones(4, 2), energy=well, integrator=fl.Euler(step_size=0.1))
    system.simulate(2, progress=False, out=fl.RunFolder(tmp_path / "run"))
    return tmp_path


def sentence(subject: str, package: str, extra: str) -> str:
    return f"{subject} needs the package {package}: pip install 'interflow-particles[{extra}]'."


def test_ten_packages_are_required_and_each_of_the_others_comes_with_an_extra():
    assert names(PROJECT["project"]["dependencies"]) == REQUIRED
    assert {extra for extra, packages in extras().items() if packages & REQUIRED} == set()
    assert [extra for extra, packages in extras().items() if "cufinufft" in packages] == ["fast-cuda"]


def test_all_is_every_extra_that_any_machine_can_install():
    (everything,) = PROJECT["project"]["optional-dependencies"]["all"]
    listed = set(everything.partition("[")[2].rstrip("]").split(","))
    packages = extras()
    assert set().union(*(packages[extra] for extra in listed)) == set().union(*packages.values()) - {"cufinufft"}


def test_each_device_is_told_the_extra_of_its_own_transforms(monkeypatch):
    monkeypatch.setattr("interflow.sums.backends.nufft.is_installed", lambda package: False)
    for device, extra in (("cpu", "fast"), ("cuda", "fast-cuda")):
        assert f"[{extra}]" in str(fl.Nufft().unavailable_reason(device))


def test_the_developers_group_holds_what_point_files_need():
    assert extras()["points"] | extras()["fast"] <= names(PROJECT["dependency-groups"]["dev"])


def test_a_run_is_drawn_and_everything_imported_without_the_extras(tmp_path):
    packages = set().union(*extras().values()) - {"pillow"}  # which matplotlib brings
    hidden = sorted(IMPORTED_AS.get(package, package) for package in packages)
    program = WITHOUT_EXTRAS.format(hidden=hidden, tour=ROOT / "examples" / "tour.yaml")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize(
    ("package", "extra", "file"),
    [
        ("plyfile", "points", "points.ply"),
        ("trimesh", "points", "square.stl"),
        ("pillow", "points", "photo.png"),
        ("pillow", "points", "photo.jpg"),
        ("laspy", "las", "points.las"),
    ],
)
def test_a_point_file_without_its_parser_is_told_what_to_install(files, monkeypatch, package, extra, file):
    hide(monkeypatch, package)
    with pytest.raises(fl.MissingPackageError) as caught:
        fl.read_points(file)
    assert str(caught.value) == sentence(file, package, extra)


@pytest.mark.parametrize(
    ("package", "extra", "file"),
    [("plyfile", "points", "new.ply"), ("pillow", "points", "new.png"), ("laspy", "las", "new.las")],
)
def test_a_point_file_without_its_writer_is_told_what_to_install(files, monkeypatch, package, extra, file):
    cloud = fl.PointCloud(np.eye(3)[:, : 2 if file.endswith("png") else 3])
    hide(monkeypatch, package)
    with pytest.raises(fl.MissingPackageError) as caught:
        fl.write_points(file, cloud)
    assert str(caught.value) == sentence(file, package, extra)
    assert not os.path.exists(file)


def test_a_surface_needs_a_package_only_for_polygons_that_turn_inwards(files, monkeypatch):
    hide(monkeypatch, "mapbox-earcut")
    assert len(fl.read_points("square.obj", fl.PointReadOptions(samples=5))) == 5
    with pytest.raises(fl.MissingPackageError) as caught:
        fl.read_points("concave.obj")
    assert str(caught.value) == sentence("A concave polygon in concave.obj", "mapbox-earcut", "points")


@pytest.mark.parametrize(
    ("package", "extra", "subject", "arguments"),
    [
        ("plyfile", "points", "points.ply", ("fit", "points.ply", "--points", "3")),
        ("trimesh", "points", "square.stl", ("fit", "square.stl", "--points", "3")),
        ("pillow", "points", "photo.png", ("fit", "photo.png", "--points", "3")),
        ("plyfile", "points", "points.ply", ("fit", "points.npy", "--source", "points.ply")),
        ("plyfile", "points", "out.0000.ply", ("export", "run", "out.ply")),
        ("gsd", "gsd", "The format of out.gsd", ("export", "run", "out.gsd")),
        ("imageio-ffmpeg", "movie", "The movie movie.mp4", ("show", "run", "--movie")),
        ("k3d", "page", "The browser page", ("show", "run", "--html")),
    ],
)
def test_a_command_that_lacks_a_package_is_bad_input_and_leaves_no_file(
    files, monkeypatch, package, extra, subject, arguments
):
    before = _names(files)
    hide(monkeypatch, package)
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert sentence(subject, package, extra) in done.stderr
    assert "Traceback" not in done.output
    assert _names(files) == before


def _names(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
