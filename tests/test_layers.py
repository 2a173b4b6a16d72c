"""Imports go down the layers; the contract is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import grimp
from importlinter import cli

ROOT = Path(__file__).parents[1]


def test_imports_go_down_the_layers_and_every_module_has_one(capsys):
    kept = cli.lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == cli.EXIT_STATUS_SUCCESS
    assert kept, capsys.readouterr().out


def test_no_module_imports_the_face_of_the_package():
    graph = grimp.build_graph("interflow", cache_dir=None)
    assert graph.find_modules_that_directly_import("interflow") == set()
