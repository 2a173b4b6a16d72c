"""The command that prints the tables."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.__main__ import BEGIN, END, QUESTIONS, replace_between_markers


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
