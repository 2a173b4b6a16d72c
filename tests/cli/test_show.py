"""``interflow show`` draws a run again from its folder alone."""

import importlib.util

import pytest
from click.testing import CliRunner

from interflow.cli import main
from interflow.storage import RunFolder
from interflow.views.page import library
from tests.storage.runs import simulate, system


@pytest.fixture
def folder(tmp_path):
    simulate(system(), tmp_path / "here")
    folder = RunFolder(tmp_path / "here")
    folder.write_summary({"name": "tour", "lower": [0, None], "upper": [1, None]})
    return folder


def test_the_picture_goes_into_the_folder(folder):
    done = CliRunner().invoke(main, ["show", str(folder.path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(folder.path / "evolution.png")
    assert (folder.path / "evolution.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_goes_where_it_is_sent(folder, tmp_path):
    done = CliRunner().invoke(main, ["show", str(folder.path), "--out", str(tmp_path / "picture.png")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder.path / "evolution.png").exists()


def test_a_summary_without_a_box_is_drawn_too(folder):
    folder.write_summary({})
    assert CliRunner().invoke(main, ["show", str(folder.path)]).exit_code == 0


def test_the_page_goes_into_the_folder_or_where_it_is_sent(folder, tmp_path):
    for out, file in ((), folder.path / "page.html"), (("--out", str(tmp_path / "p.html")), tmp_path / "p.html"):
        done = CliRunner().invoke(main, ["show", str(folder.path), "--html", *out])
        assert done.exit_code == 0, done.output
        assert done.stdout.strip() == str(file)
        assert "<title>tour</title>" in file.read_text(encoding="utf-8")


def test_a_page_without_the_package_that_draws_it_says_what_to_install(folder, monkeypatch):
    library.bundle.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["show", str(folder.path), "--html"])
    assert done.exit_code == 1
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
