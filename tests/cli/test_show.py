"""``interflow show`` draws a run again from its folder alone."""

import importlib.util

import pytest
from click.testing import CliRunner

from interflow import Euler
from interflow.cli import main
from interflow.cli.show import COLOURS, PICTURES
from interflow.storage.run_folder import RunFolder
from interflow.views.colours import COLOURINGS
from interflow.views.page.scene import bundle
from tests.faults.disks import SIZE, small_disk
from tests.flows import cloud, torus_system
from tests.storage.runs import simulate, system


@pytest.fixture
def folder(tmp_path):
    simulate(system(), tmp_path / "here")
    folder = RunFolder(tmp_path / "here")
    folder.write_summary({"name": "tour"})
    return folder


CONFIG = """
particles: {count: 20, dimension: 2}
boundary: {kind: periodic, lengths: 1.0}
energy: {kind: interaction, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler, step_size: 0.005}
run: {steps: 4, save_every: 2}
"""


@pytest.fixture
def configured(tmp_path):
    (tmp_path / "tour.yaml").write_text(CONFIG)
    done = CliRunner().invoke(main, ["run", str(tmp_path / "tour.yaml"), "--out", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


def test_the_options_are_those_of_the_views():
    assert set(COLOURS) == set(COLOURINGS)


def test_all_pictures_that_apply_go_into_the_folder(configured):
    done = CliRunner().invoke(main, ["show", str(configured)])
    assert done.exit_code == 0, done.output
    names = ["evolution", "energy", "kernel", "boundary"]
    assert sorted(done.stdout.split()) == sorted(str(configured / f"{name}.png") for name in names)
    assert all((configured / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_drawn_when_it_is_asked_for(configured, name):
    done = CliRunner().invoke(main, ["show", str(configured), "--picture", name])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(configured / f"{name}.png")


def test_a_run_without_a_config_says_what_it_cannot_draw(folder):
    done = CliRunner().invoke(main, ["show", str(folder.path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(folder.path / "evolution.png"), str(folder.path / "energy.png")]
    assert "No picture of the kernel and the boundary" in done.stderr
    asked = CliRunner().invoke(main, ["show", str(folder.path), "--picture", "kernel"])
    assert asked.exit_code == 2


def test_a_movie_goes_into_the_folder_or_where_it_is_sent(folder, tmp_path):
    for out, file in ((), folder.path / "movie.mp4"), (("--out", str(tmp_path / "run.gif")), tmp_path / "run.gif"):
        done = CliRunner().invoke(main, ["show", str(folder.path), "--movie", *out])
        assert done.exit_code == 0, done.output
        assert done.stdout.strip() == str(file)
        assert file.stat().st_size > 1000


@pytest.mark.parametrize(
    "options",
    [
        ("--picture", "kernel", "--movie"),
        ("--picture", "energy", "--picture", "density", "--out", "a.png"),
        ("--picture", "energy", "--colour", "speed"),
        ("--html", "--movie"),
        ("--out", "a.txt"),
        ("--html", "--out", "a.txt"),
    ],
)
def test_options_that_contradict_each_other_are_bad_input(folder, options):
    assert CliRunner().invoke(main, ["show", str(folder.path), *options]).exit_code == 2


def test_the_picture_goes_where_it_is_sent(folder, tmp_path):
    done = CliRunner().invoke(main, ["show", str(folder.path), "--out", str(tmp_path / "picture.png")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder.path / "evolution.png").exists()


def test_a_run_without_a_name_is_drawn_too(folder):
    folder.write_summary({})
    assert CliRunner().invoke(main, ["show", str(folder.path)]).exit_code == 0


def test_the_page_goes_into_the_folder_or_where_it_is_sent(folder, tmp_path):
    for out, file in ((), folder.path / "page.html"), (("--out", str(tmp_path / "p.html")), tmp_path / "p.html"):
        done = CliRunner().invoke(main, ["show", str(folder.path), "--html", *out])
        assert done.exit_code == 0, done.output
        assert done.stdout.strip() == str(file)
        assert "<title>tour</title>" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", [("show",), ("show", "--html"), ("show", "--movie"), ("export",)])
def test_nothing_goes_over_the_files_of_a_run(folder, tmp_path, verb):
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    names = ["manifest.json", "report.csv", "frames.zarr/new.png", "frames.zarr/x.html", "frames.zarr/x.gif"]
    for name in names:
        file = str(folder.path / name)
        rest = (file,) if verb == ("export",) else ("--out", file)
        done = CliRunner().invoke(main, [verb[0], str(folder.path), *verb[1:], *rest])
        assert done.exit_code == 2, done.output
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (("show",), "out.png"),
        (("show", "--html"), "out.html"),
        *((("show", "--movie"), f"out{suffix}") for suffix in (".gif", ".mp4")),
        *((("export",), f"out{suffix}") for suffix in (".npz", ".xyz", ".ply", ".csv")),
    ],
)
def test_a_full_disk_is_a_failure_and_leaves_the_old_file_or_none(tmp_path, verb, name):
    simulate(torus_system(Euler(0.01), positions=cloud(100)), tmp_path / "run")
    with small_disk(tmp_path / "disk") as disk:
        filler, file = disk / "filler", disk / name
        filler.write_bytes(bytes(SIZE - 4096 * (1 if name.endswith(".csv") else 3)))
        if name.endswith(".csv"):
            (disk / "more").write_bytes(bytes(4096))
        else:
            file.write_text("old")
        rest = (str(file),) if verb == ("export",) else ("--out", str(file))
        done = CliRunner().invoke(main, [verb[0], str(tmp_path / "run"), *verb[1:], *rest])
        assert done.exit_code == 1, done.output
        assert "cannot write it" in done.stderr
        assert "Traceback" not in done.output
        left = {path.name for path in disk.iterdir()} - {"filler", "more"}
        assert left == (set() if name.endswith(".csv") else {name})
        assert not left or file.read_text() == "old"


def test_a_page_without_the_package_that_draws_it_says_what_to_install(folder, monkeypatch):
    bundle.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["show", str(folder.path), "--html"])
    assert done.exit_code == 2
    assert "pip install 'interflow-particles[page]'" in done.output


def test_a_page_that_is_served_goes_into_no_file(folder):
    done = CliRunner().invoke(main, ["show", str(folder.path), "--live", "--html"])
    assert done.exit_code == 2
    assert "--live serves the page and writes no file" in done.output


@pytest.mark.parametrize("name", [".", "missing", "file"])
def test_what_is_no_run_folder_is_bad_input(tmp_path, name):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["show", str(tmp_path / name)])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
