"""Tables in Markdown, and how their numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Measurement

MEASURED = ("seconds", "times as fast", "compile seconds", "peak MB")
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """One answer: a title, what there is to know about it, and rows, which may be measured as they are asked for."""

    title: str
    note: str
    headers: Sequence[str]
    rows: Iterable[Sequence[str]]

    def lines(self, kept: list[Sequence[str]]) -> Iterator[str]:
        """The table as a section of Markdown, a line for each row as it comes; the rows are also put into a list."""
        yield from (f"### {self.title}", "", self.note, "", _row(self.headers), _row(["---"] * len(self.headers)))
        for cells in self.rows:
            kept.append(cells)
            yield _row(cells)
        yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def measured(measurement: Measurement[Any], baseline: Measurement[Any]) -> list[str]:
    """The cells under `MEASURED`."""
    return [
        number(measurement.seconds),
        ratio(baseline.seconds, measurement.seconds),
        tenths(measurement.compile_seconds),
        megabytes(measurement.peak),
    ]


def name(measurement: Measurement[Any]) -> str:
    """What the entry is called, with the reason if it could not run."""
    failure = measurement.failure
    return measurement.entry.name if failure is None else f"{measurement.entry.name}: {failure}"


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}".replace(",", " ")


def number(value: float) -> str:
    """Two significant digits, without an exponent where it can be read without."""
    if math.isnan(value):
        return NOTHING
    if value == 0.0:
        return "0"
    if 1e-4 <= value < 1e4:
        return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"
    return f"{value:.1e}"


def tenths(value: float) -> str:
    """Seconds that include a compiler's, to a tenth."""
    return NOTHING if math.isnan(value) else f"{value:.1f}"


def ratio(numerator: float, denominator: float) -> str:
    """A quotient in two significant digits."""
    return number(numerator / denominator) if denominator else NOTHING


def error(value: float | None) -> str:
    """An error in two significant digits; NaN is a finding and is shown."""
    return NOTHING if value is None else f"{value:.1e}"


def megabytes(value: int | None) -> str:
    """Bytes as MB (10⁶)."""
    return NOTHING if value is None else f"{value / 1e6:.0f}"
