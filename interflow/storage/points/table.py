"""CSV: rows of fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

from interflow.errors import PointFileError
from interflow.storage.points.format import PointCloud, PointFormat, PointReadOptions, distinct
from interflow.storage.points.text import Rows, first_line, is_number, lines_of, rows_of


@final
class CsvFormat(PointFormat):
    """Rows of fields between commas, semicolons or tabs, or blanks where there are none of these.

    Under a row of names the coordinates are ``x``, ``y``, ``z``, or ``x1``, ``x2``, …, or ``0``, ``1``, …; weights are
    ``weight``, ``weights`` or ``mass``, and all others are columns, of numbers or of text. Without it every field is a
    coordinate. A row ``0,1,…`` is one of names, as pandas writes them, if all numbers under it have decimals.
    A line that begins with ``#`` is a comment before the first row of data, and data after it.
    """

    suffixes = (".csv", ".tsv")

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        lines = lines_of(file)
        start = first_line(file, lines)
        delimiter = _delimiter(lines[start])
        names = distinct(_rows(file, lines[: start + 1], start, delimiter).fields[0])
        if all(map(is_number, names)):
            rows = _rows(file, lines, start, delimiter)
            if not _are_counted(rows.fields):
                return rows.cloud(range(rows.width), {})
        rows = _rows(file, lines, first_line(file, lines, start + 1), delimiter, len(names))
        axes = _axes(names)
        if not axes:
            remedy = "Rename the columns, or leave the line of names out if all are coordinates."
            wanted = "coordinates called x, y, z or x1, x2, …"
            raise PointFileError(file, row=start + 1, came=f"the names {names}", wanted=wanted, remedy=remedy)
        cloud = rows.cloud(axes, {place: name for place, name in enumerate(names) if place not in axes})
        return replace(cloud, axes=[names[place] for place in axes])

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        usual = (
            "xyz"[: cloud.dimension] if cloud.dimension <= 3 else [f"x{axis + 1}" for axis in range(cloud.dimension)]
        )
        columns = cloud.named(cloud.axes or usual, cloud.weight_name)
        with open(file, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
            writer.writerow(columns)
            writer.writerows(rows_of(columns.values()))


def _rows(file: Path, lines: Sequence[str], start: int, delimiter: str, width: int | None = None) -> Rows:
    """The rows from a line on, of as many fields as the first of them if it is not told how many."""
    taken = (line.rstrip() if delimiter == " " else line for line in lines[start:])
    reader = csv.reader(taken, delimiter=delimiter, skipinitialspace=True, strict=True)
    numbers, rows = [], []
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                rows.append(fields)
                numbers.append(start + reader.line_num)
    except csv.Error as error:
        wanted = "fields whose quotes are closed"
        raise PointFileError(file, row=start + reader.line_num, came=f"no row ({error})", wanted=wanted) from None
    return Rows(file, numbers, rows, width or len(rows[0] if rows else []))


def _delimiter(line: str) -> str:
    """What is between the fields of a line."""
    bare = re.sub(r'"[^"]*"', "", line)
    likeliest = max(",;\t", key=bare.count)
    return likeliest if likeliest in bare or len(bare.split()) == 1 else " "


def _are_counted(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row counts columns: 0, 1, … over decimals in all columns, or in some of three and more."""
    names, *others = rows
    if names != [str(place) for place in range(len(names))] or not others:
        return False
    decimal = [all("." in row[place] or "e" in row[place].lower() for row in others) for place in range(len(names))]
    return all(decimal) or (len(names) > 2 and any(decimal))


def _axes(names: Sequence[str]) -> list[int]:
    """Places of the coordinates, in order."""
    lower = [name.strip().lower() for name in names]
    plain = [lower.index(name) for name in "xyz" if name in lower]
    numbered = {int(name[1:]): lower.index(name) for name in lower if re.fullmatch(r"x[0-9]{1,6}", name)}
    if len(plain) > 1 or (plain and len(numbered) < 2):
        return plain
    counted = [lower.index(str(place)) for place in range(len(lower)) if str(place) in lower]
    return [numbered[place] for place in sorted(numbered)] or (counted if lower[0] in ("0", "") else [])
