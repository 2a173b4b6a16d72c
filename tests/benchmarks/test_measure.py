"""The instruments of the benchmarks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from benchmarks import tables
from benchmarks.measure import SAMPLES, Entry, Measurement, compare, peak_memory, relative_error
from interflow.errors import BackendError

CPU = torch.device("cpu")


def test_entries_take_turns_and_each_gets_its_samples():
    calls = []
    entries = [Entry(name, lambda name=name: calls.append(name)) for name in "ab"]
    first, second = compare(entries, CPU)
    assert "".join(calls).startswith("abab")
    assert len(first.samples) == len(second.samples) == SAMPLES


def test_the_time_is_the_median_and_that_of_a_share_counts_as_that_of_the_whole():
    measurement = Measurement(Entry("half of it", lambda: None, share=0.5), first=5.0, samples=[1.0, 9.0, 2.0])
    assert measurement.seconds == 4.0
    assert measurement.compile_seconds == 3.0


def test_an_entry_that_cannot_run_is_reported_with_its_reason():
    def refuse() -> None:
        raise BackendError("no compiler")

    (measurement,) = compare([Entry("compiled", refuse)], CPU)
    assert tables.name(measurement) == "compiled: no compiler"
    assert tables.measured(measurement, measurement) == [tables.NOTHING] * len(tables.MEASURED)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system tells no peak of resident memory")
def test_peak_memory_sees_what_a_call_frees_again():
    peak = peak_memory(lambda: torch.ones(20_000_000).sum(), CPU)
    assert peak is not None
    assert 75e6 < peak < 160e6


def test_the_relative_error_is_taken_over_the_rows_that_both_have():
    assert relative_error(torch.tensor([[3.0], [4.0], [9.0]]), torch.tensor([[3.0], [5.0]])) == 1 / math.sqrt(34)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.00123, "0.0012"),
        (0.5, "0.50"),
        (3.14159, "3.1"),
        (123.4, "123"),
        (math.nan, "–"),
        (2e-7, "2.0e-07"),
    ],
)
def test_numbers_have_two_significant_digits(value, written):
    assert tables.number(value) == written


def test_a_table_is_markdown():
    table = tables.Table("Title", "Note.", ("N", "how"), [("1", "so")])
    assert "\n".join(table.lines([])) == "### Title\n\nNote.\n\n| N | how |\n| --- | --- |\n| 1 | so |\n"


def test_a_row_is_written_before_the_next_is_measured():
    measured = []

    def rows():
        for row in ("first", "second"):
            measured.append(row)
            yield [row]

    for line in tables.Table("Title", "Note.", ("how",), rows()).lines([]):
        if "first" in line:
            assert measured == ["first"]
    assert measured == ["first", "second"]
