"""What is observed is kept, in memory and in tables, and a table goes on where a run does."""

import csv

import pytest
import torch

from interflow import ArgumentError, CsvReport, Euler, StorageError, TimeSeries
from tests.flows import torus_system

OBSERVED = {"mean": lambda state: state.positions.mean(0), "time2": lambda state: 2 * state.time}


def rows(file):
    with open(file, newline="") as stream:
        return list(csv.reader(stream))


def test_a_series_holds_what_was_observed_when_it_was_time():
    series = TimeSeries(OBSERVED, every=3)
    solution = torus_system(Euler(0.01)).simulate(7, save_every=3, callbacks=[series], progress=False)
    assert series.steps == [3, 6]
    assert torch.equal(series["mean"], torch.stack([solution.positions[1].mean(0), solution.positions[2].mean(0)]))
    assert series["time2"].tolist() == [2 * time for time in series.times]


def test_a_series_of_nothing_is_empty():
    assert len(TimeSeries(OBSERVED)["mean"]) == 0


def test_a_table_has_a_row_a_time_and_a_column_a_number(tmp_path):
    report = CsvReport(tmp_path / "report.csv", OBSERVED, every=2)
    torus_system(Euler(0.5)).simulate(4, callbacks=[report], progress=False)
    head, *body = rows(tmp_path / "report.csv")
    assert head == ["step", "time", "mean_0", "mean_1", "time2"]
    assert [row[:2] for row in body] == [["2", "1.0"], ["4", "2.0"]]


def test_a_table_that_goes_on_equals_one_that_was_never_broken(tmp_path):
    whole, first, second = (torus_system(Euler(0.1)) for _ in range(3))
    whole.simulate(6, callbacks=[CsvReport(tmp_path / "whole.csv", OBSERVED)], progress=False)
    first.simulate(5, callbacks=[CsvReport(tmp_path / "broken.csv", OBSERVED)], progress=False)
    second.simulate(3, progress=False)
    second.simulate(3, callbacks=[CsvReport(tmp_path / "broken.csv", OBSERVED, resume=True)], progress=False)
    assert rows(tmp_path / "broken.csv") == rows(tmp_path / "whole.csv")


def test_steps_that_are_made_again_are_observed_once(tmp_path):
    watching = [TimeSeries(OBSERVED), CsvReport(tmp_path / "report.csv", OBSERVED)]
    system = torus_system(Euler(0.1))
    start = system.state
    system.simulate(3, callbacks=watching, progress=False)
    system.state = system.step(start)
    system.simulate(3, callbacks=watching, progress=False)
    assert watching[0].steps == [1, 2, 3, 4]
    assert len(watching[0]["mean"]) == len(watching[0].times) == 4
    assert [row[0] for row in rows(tmp_path / "report.csv")] == ["step", "1", "2", "3", "4"]


def test_a_row_that_a_crash_cut_off_is_left_out(tmp_path):
    file = tmp_path / "report.csv"
    torus_system(Euler(0.1)).simulate(3, callbacks=[CsvReport(file, OBSERVED)], progress=False)
    whole = rows(file)
    file.write_text(file.read_text() + "1,0.1,0")
    system = torus_system(Euler(0.1))
    system.simulate(3, progress=False)
    system.simulate(1, callbacks=[CsvReport(file, OBSERVED, resume=True)], progress=False)
    assert rows(file)[:-1] == whole
    assert rows(file)[-1][0] == "4"


def test_a_table_of_something_else_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "mine.csv"
    for text in ("a,b\n1,2\n", "", "step,time\n"):
        file.write_text(text)
        with pytest.raises(ArgumentError, match="a table of"):
            torus_system(Euler(0.1)).simulate(1, callbacks=[CsvReport(file, OBSERVED, resume=True)], progress=False)
        assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_crash_while_a_table_is_taken_up_leaves_it_whole(tmp_path, monkeypatch):
    file = tmp_path / "report.csv"
    torus_system(Euler(0.1)).simulate(3, callbacks=[CsvReport(file, OBSERVED)], progress=False)
    before = file.read_text()

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(StorageError, match=r"report\.csv: cannot write the row of step 1: no space"):
        torus_system(Euler(0.1)).simulate(1, callbacks=[CsvReport(file, OBSERVED, resume=True)], progress=False)
    assert file.read_text() == before


def test_a_file_that_exists_is_not_written_over(tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(ArgumentError, match="file"):
        CsvReport(tmp_path / "mine.csv", OBSERVED)
    assert (tmp_path / "mine.csv").read_text() == "mine"
