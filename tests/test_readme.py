"""What README.md and CONTRIBUTING.md say is so: their code runs, their commands and links are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

import interflow as fl

HERE = Path(__file__)
ROOT = HERE.parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
SUFFIXES = {".md", ".py", ".pyi", ".toml", ".txt", ".yaml"}
SMALLER = {"10_000": "200", "2_000": "200", "1_000": "100"}


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a language, each with the number of lines above it."""
    content = text(document)
    found = re.finditer(rf"^```{language}\n(.*?)^```$", content, flags=re.MULTILINE | re.DOTALL)
    return [(content.count("\n", 0, match.start(1)), match[1]) for match in found]


def command(name: str) -> list[str]:
    """The lines of the block after a marker."""
    (block,) = re.findall(rf"^<!-- command: {name} -->\n```sh\n(.*?)^```$", text("README.md"), re.MULTILINE | re.DOTALL)
    return str(block).splitlines()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_python_blocks_run_from_top_to_bottom(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # they write runs
    names = {"__name__": document}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for lines_above, source in blocks(document, "python"):
            for size, smaller in SMALLER.items():
                source = source.replace(size, smaller)  # fewer points, the same code
            exec(compile("\n" * lines_above + source, document, "exec"), names)


def test_the_yaml_block_is_the_tour():
    (block,) = blocks("README.md", "yaml")
    assert yaml.safe_load(block[1]) == yaml.safe_load(text("examples/tour.yaml"))


@pytest.mark.parametrize("name", ["tour", "tests"])
def test_each_command_is_one_line_that_does_all_its_own_set_up(name):
    (line,) = command(name)
    steps = line.split(" && ")
    assert steps[0] == "python3.11 -m venv .venv"
    assert any("pip install -c constraints.txt -e ." in step for step in steps)
    assert f"readme_command {name}" in text(".ci/run")


def test_every_class_that_the_readme_names_is_public():
    named = set(re.findall(r"`(?:fl\.)?([A-Z][A-Za-z0-9]+)\b", text("README.md")))
    assert {"GaussianKernel", "PeriodicBoundary", "Euler", "MMD"} <= named
    assert {name for name in named if not hasattr(fl, name)} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_to_a_file(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text(document))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_text_installs_the_unrelated_project_of_the_same_name():
    wrong = re.compile(r"pip3? install (?:-\S+ )*interflow(?!-particles)")
    visible = [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    texts = [path for top in visible for path in (top, *top.rglob("*")) if path.suffix in SUFFIXES and path != HERE]
    assert [path.name for path in texts if wrong.search(path.read_text(encoding="utf-8"))] == []


def test_the_script_of_the_checks_reads_the_commands_of_the_readme():
    script = text(".ci/run")
    (function,) = re.findall(r"^readme_command\(\) \{.*?^\}$", script, flags=re.MULTILINE | re.DOTALL)
    for name in ("tour", "tests"):
        run = subprocess.run(
            ["bash", "-c", f"{function}\nreadme_command {name}"], cwd=ROOT, capture_output=True, text=True
        )
        assert run.stdout.splitlines() == command(name)
