"""What formats of text share: lines, rows of fields, and columns of numbers or words."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import final

import numpy as np

from interflow.errors import PointFileError
from interflow.storage.points.format import Array, PointCloud, parser_errors_as_point_file_errors

WEIGHTS = ("weight", "weights", "mass")  # the first of these names that there is
_WHOLE = re.compile(r"\s*[+-]?(0|[1-9][0-9]*)\s*")
_NUMBERED = re.compile(r"\s*[+-]?0[0-9]+\s*")  # 007 is a name


@final
@dataclass(frozen=True)
class Rows:
    """Rows of as many fields each.

    Args:
        file: where they come from, for messages.
        lines: the number of the line of each, from 1.
        fields: their texts.
        width: how many each has.

    Raises:
        PointFileError: naming the first row with more or fewer.
    """

    file: Path
    lines: Sequence[int]
    fields: Sequence[Sequence[str]]
    width: int

    def __post_init__(self) -> None:
        if not self.fields:
            raise PointFileError(self.file, came="no row of numbers", wanted="rows of as many fields each")
        for line, fields in zip(self.lines, self.fields, strict=True):
            if len(fields) != self.width:
                came = f"{len(fields)} fields"
                raise PointFileError(self.file, row=line, came=came, wanted=f"{self.width}, as before")

    def cloud(
        self,
        axes: Sequence[int],
        names: Mapping[int, str],
        kinds: Mapping[int, Callable[[Sequence[str]], Array]] = MappingProxyType({}),
    ) -> PointCloud:
        """The points whose coordinates and columns stand at the given places, with weights where a name says so.

        Args:
            axes: places of the coordinates.
            names: of the columns, all different, by their places.
            kinds: what makes a column of its texts, by its place; by default they tell it.
        """
        if max(axes) >= self.width:
            came = f"{self.width} fields"
            raise PointFileError(self.file, row=self.lines[0], came=came, wanted=f"at least {max(axes) + 1}")
        positions = np.array([self._coordinates(place) for place in axes]).T
        lower = [name.lower() for name in names.values()]
        weight = next((list(names)[lower.index(name)] for name in WEIGHTS if name in lower), None)
        others = {place: name for place, name in names.items() if place != weight}
        arrays = [self._column(place, kinds.get(place, column)) for place in others]
        columns = dict(zip(others.values(), arrays, strict=True))
        if weight is None:
            return PointCloud(positions, None, columns)
        return PointCloud(positions, self._weights(weight), columns, weight_name=names[weight])

    def _column(self, place: int, kind: Callable[[Sequence[str]], Array]) -> Array:
        fields = [row[place] for row in self.fields]
        try:
            return kind(fields)
        except (ValueError, OverflowError):
            for line, field in zip(self.lines, fields, strict=True):
                try:
                    kind([field])
                except (ValueError, OverflowError):
                    wanted = "a number of the kind that is promised there"
                    raise PointFileError(self.file, row=line, came=repr(field[:40]), wanted=wanted) from None
            raise

    def _coordinates(self, place: int) -> list[float]:
        try:
            values = [number(row[place]) for row in self.fields]
        except ValueError:
            values = [np.nan]
        if not np.isfinite(values).all():
            self._refuse(place)
        return values

    def _refuse(self, place: int) -> None:
        """Name the first field that is no finite number."""
        for line, row in zip(self.lines, self.fields, strict=True):
            if not is_number(row[place]) or not np.isfinite(number(row[place])):
                raise PointFileError(self.file, row=line, came=repr(row[place][:40]), wanted="a finite number")

    def _weights(self, place: int) -> Array:
        for line, row in zip(self.lines, self.fields, strict=True):
            if not is_number(row[place]) or not 0 <= number(row[place]) < np.inf:
                text = row[place].strip()[:40]
                came = f"the weight {text if is_number(text) else repr(text)}"
                raise PointFileError(self.file, row=line, came=came, wanted="a finite number ≥ 0")
        return np.array([number(row[place]) for row in self.fields])


def lines_of(file: Path) -> list[str]:
    """The lines of a text file with their ends, which are those of any system."""
    with parser_errors_as_point_file_errors(file, "a text file"):
        return list(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))


def first_line(file: Path, lines: Sequence[str], start: int = 0) -> int:
    """Index of the first line from one on that is neither blank nor a comment."""
    for index in range(start, len(lines)):
        if lines[index].strip() and not lines[index].lstrip().startswith("#"):
            return index
    came = "no row of numbers" if start else "no points"
    raise PointFileError(file, came=came, wanted="at least one row of numbers")


def number(field: str) -> float:
    """The number that a field means; 1_2 is a name, though Python takes it for 12.

    Raises:
        ValueError: if it is none.
    """
    if "_" in field:
        raise ValueError(field)
    return float(field)


def is_number(field: str) -> bool:
    """Whether a field is a number."""
    try:
        number(field)
    except ValueError:
        return False
    return True


def column(fields: Sequence[str]) -> Array:
    """Fields as whole numbers or numbers where all are, else as they stand.

    Example:
        >>> column(["1", "-2"]), column(["1", "2.5"]), column(["007", "1"])
        (array([ 1, -2]), array([1. , 2.5]), array(['007', '1'], dtype='<U3'))
    """
    if all(map(_WHOLE.fullmatch, fields)):
        whole = [int(field) for field in fields]
        fits = max(map(abs, whole), default=0) < 2**63
        return np.array(whole, np.int64) if fits else np.array(fields, str)
    if all(map(is_number, fields)) and not any(map(_NUMBERED.fullmatch, fields)):
        return np.array([number(field) for field in fields])
    return np.array(fields, str)


def rows_of(columns: Iterable[Array]) -> Iterator[tuple[str, ...]]:
    """Rows of the shortest text that means these numbers in their own dtype."""
    return zip(*(np.asarray(values).astype(str).tolist() for values in columns), strict=True)
