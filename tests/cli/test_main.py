"""The command line starts without the libraries that take long to import, and knows its verbs."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from interflow.cli import VERBS, main

HEAVY = {"torch", "pydantic", "matplotlib", "numpy", "yaml"}


def test_help_imports_nothing_heavy():
    program = (
        "import sys\nfrom interflow.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"assert not {HEAVY} & sys.modules.keys(), {HEAVY} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert all(verb in done.stdout for verb in VERBS)


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "interflow", "--help"], check=True, capture_output=True, text=True)
    assert "Commands:" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_of_its_own(verb):
    done = CliRunner().invoke(main, [verb, "--help"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Usage:")


def test_an_unknown_verb_is_bad_input():
    done = CliRunner().invoke(main, ["nonsense"])
    assert done.exit_code == 2
    assert "nonsense" in done.stderr


def test_ctrl_c_where_there_is_nothing_to_save_is_told_by_its_exit_code(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("interflow.cli.doctor._compiler", interrupt)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 130
    assert done.stderr == "\nInterrupted.\n"


def test_an_unexpected_error_is_a_failure_without_a_traceback(monkeypatch):
    monkeypatch.setattr("interflow.cli.doctor._compiler", lambda: 1 / 0)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.output
