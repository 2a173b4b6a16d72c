"""CSV and XYZ: lines of text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, final

import numpy as np

from interflow.errors import PointFileError
from interflow.storage.points.cloud import COLOURS, Array, PointCloud
from interflow.storage.points.format import PointFormat, Reading, foreign

WEIGHT = ("weight", "weights", "mass")
ELEMENT = "element"


@final
class CsvFormat(PointFormat):
    """Lines of fields between commas, semicolons or tabs, or blanks where there are none of these.

    Under a line of names the coordinates are ``x``, ``y``, ``z`` or ``x1``, ``x2``, …, the weights ``weight``, and all
    others are columns, of numbers or of text. Without it every field is a coordinate.
    """

    suffixes = (".csv", ".tsv")

    def load(self, file: Path, reading: Reading) -> PointCloud:
        lines = _lines(file)
        start = _first(file, lines, 0)
        delimiter = _delimiter(lines[start])
        fields = [field.strip().strip('"') for field in lines[start].split(delimiter)]
        if all(map(_is_number, fields)):
            return _Table(file, lines, start, delimiter, len(fields)).cloud(list(range(len(fields))), {})
        table = _Table(file, lines, start + 1, delimiter, len(fields))
        axes = _axes(fields)
        if not axes:
            remedy = "Rename the columns, or leave the line of names out if all are coordinates."
            wanted = "coordinates called x, y, z or x1, x2, …"
            raise PointFileError(file, row=start + 1, came=f"the names {fields}", wanted=wanted, remedy=remedy)
        return table.cloud(axes, {name: index for index, name in enumerate(fields) if index not in axes})

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        names = "xyz" if cloud.dimension <= 3 else [f"x{axis + 1}" for axis in range(cloud.dimension)]
        columns = dict(zip(names, cloud.positions.T, strict=False))
        if cloud.weights is not None:
            columns[WEIGHT[0]] = cloud.weights
        columns.update(cloud.columns)
        with open(file, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
            writer.writerow(columns)
            writer.writerows(_rows(columns.values()))


@final
class XyzFormat(PointFormat):
    """Lines of numbers between blanks: two or three coordinates, then columns, of which three are a colour.

    The files of chemistry are read as well: a count, a line of comment, and lines of an element and its coordinates.
    """

    suffixes = (".xyz",)

    def load(self, file: Path, reading: Reading) -> PointCloud:
        lines = _lines(file)
        start = _first(file, lines, 0)
        fields = lines[start].split()
        if len(fields) == 1 and fields[0].isdecimal():
            return self._molecule(file, lines, start, fields[0])
        axes = min(len(fields), 3)
        others = COLOURS if len(fields) == 6 else [f"column{index + 1}" for index in range(axes, len(fields))]
        table = _Table(file, lines, start, None, len(fields))
        return table.cloud(list(range(axes)), {name: axes + index for index, name in enumerate(others)})

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        columns = dict(cloud.columns)
        elements = [columns.pop(ELEMENT)] if ELEMENT in columns else []
        with open(file, "w", encoding="utf-8") as stream:
            if elements:
                stream.write(f"{len(cloud)}\n\n")
            for row in _rows([*elements, *cloud.positions.T, *columns.values()]):
                stream.write(" ".join(row) + "\n")

    def _molecule(self, file: Path, lines: list[str], start: int, count: str) -> PointCloud:
        first = _first(file, lines, start + 2)
        width = len(lines[first].split())
        cloud = _Table(file, lines, first, None, width).cloud(
            [1, 2, 3], {ELEMENT: 0, **{f"column{index + 1}": index for index in range(4, width)}}
        )
        if str(len(cloud)) != count.lstrip("0"):
            raise PointFileError(
                file, row=start + 1, came=f"a count of {count[:20]}", wanted=f"{len(cloud)}, the lines"
            )
        return cloud


@dataclass(frozen=True)
class _Table:
    """The lines of a file from ``start`` on, each of ``width`` fields."""

    file: Path
    lines: list[str]
    start: int
    delimiter: str | None
    width: int

    def cloud(self, axes: Sequence[int], names: dict[str, int]) -> PointCloud:
        """The points whose coordinates and columns stand at the given places."""
        if max(axes) >= self.width:
            came = f"{self.width} fields"
            raise PointFileError(self.file, row=self.start + 1, came=came, wanted=f"at least {max(axes) + 1}")
        try:
            fields = np.loadtxt(self.lines[self.start :], str, delimiter=self.delimiter, quotechar='"', ndmin=2)
            positions = fields[:, list(axes)].astype(np.float64)
        except (ValueError, IndexError):
            self._refuse(axes)
        if fields.shape[1] != self.width or not np.isfinite(positions).all():
            self._refuse(axes)
        columns = {name: _numbers(np.strings.strip(fields[:, index])) for name, index in names.items()}
        weight = next((name for name in names if name.lower() in WEIGHT), None)
        if weight is None:
            return PointCloud(positions, None, columns)
        weights = columns.pop(weight)
        self._check_weights(weights)
        return PointCloud(positions, weights.astype(np.float64), columns)

    def _check_weights(self, weights: Array) -> None:
        """Name the first line whose weight is none."""
        for (number, _), weight in zip(_content(self.lines, self.start), weights.tolist(), strict=False):
            if not _is_number(weight) or not 0 <= float(weight) < np.inf:
                raise PointFileError(self.file, row=number, came=f"the weight {weight!r}", wanted="a finite number ≥ 0")

    def _refuse(self, axes: Sequence[int]) -> NoReturn:
        """Name the first line that is not as the others, looking at them one by one."""
        for number, line in _content(self.lines, self.start):
            fields = next(csv.reader([line], delimiter=self.delimiter)) if self.delimiter else line.split()
            if len(fields) != self.width:
                came = f"{len(fields)} fields"
                raise PointFileError(self.file, row=number, came=came, wanted=f"{self.width}, as before")
            for field in (fields[axis] for axis in axes):
                if not _is_number(field) or not np.isfinite(float(field)):
                    raise PointFileError(self.file, row=number, came=repr(field[:40]), wanted="a finite number")
        raise PointFileError(self.file, came="no row of numbers", wanted="rows of as many fields each")


def _lines(file: Path) -> list[str]:
    with foreign(file, "a text file"):
        return file.read_bytes().decode("utf-8-sig").splitlines()


def _content(lines: list[str], start: int) -> Iterator[tuple[int, str]]:
    """Lines with something on them, and their numbers from 1."""
    for index in range(start, len(lines)):
        line = lines[index].partition("#")[0].strip()
        if line:
            yield index + 1, line


def _first(file: Path, lines: list[str], start: int) -> int:
    """Index of the first line with something on it."""
    for number, _ in _content(lines, start):
        return number - 1
    raise PointFileError(file, came="no points", wanted="at least one row of numbers")


def _axes(names: Sequence[str]) -> list[int]:
    """Places of the coordinates, in order."""
    lower = [name.lower() for name in names]
    plain = [lower.index(name) for name in "xyz" if name in lower]
    numbered = sorted((int(name[1:]), index) for index, name in enumerate(lower) if re.fullmatch(r"x\d{1,6}", name))
    return plain or [index for _, index in numbered]


def _delimiter(line: str) -> str | None:
    """What is between the fields of a line; None for blanks."""
    likeliest = max(",;\t", key=line.count)
    return likeliest if likeliest in line or len(line.split()) == 1 else None


def _is_number(field: float | str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers(fields: Array) -> Array:
    """A column as whole numbers or numbers if it can be, else as text."""
    for kind in (np.int64, np.float64):
        try:
            return fields.astype(kind)
        except (ValueError, OverflowError):
            continue
    return fields


def _rows(columns: Iterable[Array]) -> Iterator[tuple[str, ...]]:
    """Rows of the shortest text that means these numbers in their own dtype."""
    return zip(*(np.asarray(values).astype(str).tolist() for values in columns), strict=True)
