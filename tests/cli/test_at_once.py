"""Processes that begin at the same moment get folders of their own, or are told who was first."""

from __future__ import annotations

import json
import multiprocessing
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from interflow import open_run
from interflow.cli import common, main
from interflow.cli.fit import FitJob
from interflow.storage.points import PointCloud, read_points, write_points
from tests.config.cases import TOUR

pytestmark = pytest.mark.slow

MOMENT = datetime(2026, 1, 2, 3, 4, 5)
FIT = ["--points", "5", "--set", "descent.steps=2", "--set", "backend.kind=dense", "--set", "reading.samples=50"]


class Clock(datetime):
    """A clock that stands still, so that all processes want the same name."""

    @classmethod
    def now(cls, tz=None):
        return MOMENT


def begin(folder: Path, arguments: list[str], barrier, answers) -> None:
    """The command line in a process of its own, once all of them are ready."""
    os.chdir(folder)
    torch.set_num_threads(1)
    common.datetime = Clock  # type: ignore[attr-defined]
    out, errors = folder / f"out{os.getpid()}", folder / f"err{os.getpid()}"
    for descriptor, file in ((1, out), (2, errors)):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY), descriptor)
    run = FitJob.run

    def together(*arguments):  # both fits have begun before one of them ends
        barrier.wait(120)
        return run(*arguments)

    FitJob.run = together  # type: ignore[method-assign]
    barrier.wait(120)
    try:
        main(arguments)
    except SystemExit as end:
        answers.put((end.code or 0, out.read_text(), errors.read_text()))


def at_once(folder: Path, count: int, *arguments: str) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of processes that begin together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.cli.test_at_once", "interflow.views", "zarr"])
    barrier, answers = context.Barrier(count), context.Queue()
    processes = [context.Process(target=begin, args=(folder, list(arguments), barrier, answers)) for _ in range(count)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=240) for _ in processes]
    for process in processes:
        process.join(60)
    return found


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def test_runs_at_once_have_a_folder_each(tmp_path):
    (tmp_path / "tour.yaml").write_text(TOUR)
    answers = at_once(tmp_path, 5, "run", "tour.yaml", "--quiet")
    assert [code for code, *_ in answers] == [0] * 5, answers
    numbers = ["", *(f"-{number}" for number in range(2, 6))]
    assert {out.strip() for _, out, _ in answers} == {f"runs/tour-20260102T030405Z{number}" for number in numbers}
    for _, out, _ in answers:
        assert open_run(tmp_path / out.strip()).manifest.finished
        assert json.loads((tmp_path / out.strip() / "summary.json").read_text())["steps"] == 4
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_of_two_runs_into_one_folder_one_is_told_and_the_other_undisturbed(tmp_path, options):
    (tmp_path / "tour.yaml").write_text(TOUR)
    answers = sorted(at_once(tmp_path, 2, "run", "tour.yaml", "--quiet", "--out", "here", *options))
    codes = [code for code, *_ in answers]
    assert codes[0] == 0, answers
    said = answers[1][2]
    told = {0: "", 1: "another process", 2: "here, a path that exists"}  # 0: it overwrote a run that had finished
    assert codes[1] == 2 or options, answers
    assert told[codes[1]] in said
    assert len(said.splitlines()) <= 2
    assert open_run(tmp_path / "here").manifest.finished
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("out", [[], ["--out", "here"]])
def test_fits_at_once_are_all_kept(tmp_path, out):
    points = np.random.default_rng(0).normal(size=(60, 2))
    write_points(tmp_path / "scan.csv", PointCloud(points))
    answers = at_once(tmp_path, 3, "fit", "scan.csv", "--quiet", *FIT, *out)
    assert [code for code, *_ in answers] == [0] * 3, answers
    base = "here" if out else "fits/scan-20260102T030405Z"
    assert {text.strip() for _, text, _ in answers} == {base, *(f"{base}-{number}" for number in range(2, 4))}
    for _, text, _ in answers:
        assert len(read_points(tmp_path / text.strip() / "fitted.csv")) == 5
    assert sum("was taken while the fit went on" in said for *_, said in answers) == (2 if out else 0)
    assert hidden(tmp_path) == []
