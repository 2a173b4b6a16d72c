"""``interflow doctor`` tells what works by trying it."""

from importlib.metadata import version

import pytest
import torch
from click.testing import CliRunner

from interflow import sums
from interflow.cli import doctor, main
from interflow.errors import BackendError
from interflow.sums.backends import BACKENDS


@pytest.fixture
def answers(monkeypatch):
    """What each backend answers instead of summing; the lines of the doctor by their first words."""
    said = {name: lambda: torch.ones(100, 2) for name in BACKENDS}
    monkeypatch.setattr(sums, "field", lambda *arguments, backend: said[backend]())

    def lines():
        done = CliRunner().invoke(main, ["doctor"])
        assert done.exit_code == 0, done.output
        return {line[:20].strip(): line[21:] for line in done.stdout.splitlines()}

    return said, lines


@pytest.mark.parametrize("build", ["", "+cu130"])
def test_versions_compiler_threads_and_every_backend_are_told(answers, monkeypatch, build):
    monkeypatch.setattr(torch, "__version__", torch.__version__.partition("+")[0] + build)
    _, lines = answers
    told = lines()
    assert told["torch"] == version("torch")  # as installed, which need not have the build in it
    assert {"python", "numpy", "pykeops", "compiler", "threads", "cuda"} <= told.keys()
    assert all(told[f"backend {name}"].startswith("works") for name in BACKENDS)


def test_a_backend_that_cannot_run_says_why(answers):
    said, lines = answers

    def refuse():
        raise BackendError("there is no compiler\nand more")

    said["compiled"] = refuse
    assert lines()["backend compiled"] == "no: there is no compiler"


def test_a_backend_that_sums_wrongly_is_found_out(answers):
    said, lines = answers
    said["keops"] = lambda: torch.zeros(100, 2)
    assert lines()["backend keops"].startswith("WRONG")


def test_a_missing_compiler_is_told(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "not found" in doctor._compiler()


def test_the_dense_backend_works_here():
    assert doctor._try_backend("dense").startswith("works")
