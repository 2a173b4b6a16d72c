"""The command that prints the tables."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.__main__ import BEGIN, END, QUESTIONS, replace_between_markers
from benchmarks.compare import compared
from benchmarks.tables import Table


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_its_module(question):
    module = import_module(f"benchmarks.{question}")
    assert callable(module.table)
    assert isinstance(module.SIZES, tuple)


def test_tables_replace_what_was_between_the_markers_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for text in ("first", "second"):
        replace_between_markers(page, text)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nsecond\n{END}\nafter\n"


def test_a_page_without_markers_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text", encoding="utf-8")
    with pytest.raises(SystemExit, match="lacks the markers"):
        replace_between_markers(page, "table")
    assert page.read_text(encoding="utf-8") == "text"


def run(seconds, commit="abc"):
    rows = [
        ["1 000", "dense", "1.0e-07", seconds, "1.0", "0.0", "–"],
        ["2 000", "dense", "1.0e-07", "1", "1", "0", "3"],
    ]
    headers = ["N", "how", "error", "seconds", "times as fast", "compile seconds", "peak MB"]
    table = {"question": "field", "headers": headers, "rows": rows}
    return {"machine": "a", "versions": "torch 2", "commit": commit, "tables": [table]}


def test_two_runs_are_compared_row_by_row():
    lines = list(compared(run("0.10"), run("0.25", commit="def")))
    assert [line.partition(",")[0] for line in lines[:2]] == ["before: abc", "after: def"]
    assert lines[-2] == "| 1 000 | dense | 1.0 | 2.5 | 1.0 | – | – |"


def test_the_rows_of_a_table_are_kept_as_they_are_printed():
    kept = []
    lines = list(Table("title", "note", ["a", "b"], iter([["1", "2"], ["3", "4"]])).lines(kept))
    assert kept == [["1", "2"], ["3", "4"]]
    assert lines[-3:] == ["| 1 | 2 |", "| 3 | 4 |", ""]
