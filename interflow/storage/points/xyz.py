"""XYZ: lines of numbers, and the frames of chemistry, plain and extended.

A frame is a count, a line of comment, and as many rows. In extended XYZ the comment says what rows hold, in which cell:
``Lattice="2 0 0 0 2 0 0 0 2" pbc="T T F" Properties=species:S:1:pos:R:3`` (github.com/libAtoms/extxyz).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Final, final

import numpy as np

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points.format import COLOURS, Array, Lattice, PointCloud, PointFormat, PointReadOptions, distinct
from interflow.storage.points.text import Rows, column, first_line, lines_of, rows_of

ELEMENT = "element"
_POSITIONS = ("pos", "positions")
_TRUE = ("T", "TRUE", "True", "true", "1")
_SAID = re.compile(r"""([A-Za-z_][\w.-]*)\s*=\s*("[^"]*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)""")
_KINDS: Final[Mapping[str, Callable[[Sequence[str]], Array]]] = {
    "S": partial(np.array, dtype=str),
    "R": partial(np.array, dtype=np.float64),
    "I": partial(np.array, dtype=np.int64),
    "L": partial(np.isin, test_elements=_TRUE),
    "": column,
}
_LETTERS: Final = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}


@final
class XyzFormat(PointFormat):
    """Lines of numbers between blanks: two or three coordinates, then columns, of which three are a colour.

    The files of chemistry are read as well, of several frames `PointReadOptions.frame`. In extended XYZ the positions
    are the property ``pos``, weights are ``weight``, ``weights`` or ``mass``, all others columns, ``forces_0`` and so
    on for one of several numbers; the cell is the cloud's lattice. What lines of numbers cannot hold is written so.
    """

    suffixes = (".xyz",)
    framed = True

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        lines = lines_of(file)
        start = first_line(file, lines)
        width = len(lines[start].split())
        if width == 1 and _is_count(lines[start]):
            return _chosen(file, _frames(file, lines, start), options.frame).cloud(lines)
        axes = min(width, 3)
        others = COLOURS if width == 6 else [f"column{place + 1}" for place in range(axes, width)]
        content = [index for index in range(start, len(lines)) if lines[index].strip()]
        rows = _rows(file, lines, content, width)
        return rows.cloud(range(axes), {axes + place: name for place, name in enumerate(others)})

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        columns = dict(cloud.columns)
        elements = [columns.pop(ELEMENT)] if ELEMENT in columns else []
        with open(file, "w", encoding="utf-8") as stream:
            if not _is_plain(cloud):
                write_frame(stream, cloud)
                return
            if elements:
                stream.write(f"{len(cloud)}\n\n")
            for row in rows_of([*elements, *cloud.positions.T, *columns.values()]):
                stream.write(" ".join(row) + "\n")


def write_frame(stream: IO[str], cloud: PointCloud, said: Iterable[str] = ()) -> None:
    """Write points as a frame of extended XYZ: species first, then positions, columns and masses.

    Args:
        stream: where to.
        cloud: the points.
        said: what else the comment tells, ``name=value`` each.
    """
    others = {f"{name}.1" if name in _POSITIONS else name: values for name, values in cloud.columns.items()}
    axes = [f"pos_{axis}" for axis in range(cloud.dimension)]
    columns = replace(cloud, columns=others).named(axes, cloud.weight_name)
    words = [name for name in ("species", ELEMENT) if name in columns and columns[name].dtype.kind == "U"]
    weights = [] if cloud.weights is None else [cloud.weight_name]
    ordered = dict.fromkeys([*words, *(name for name in columns if name not in weights), *weights])
    for name in ordered:
        _check_words(name, columns[name])
    head = "Properties=" + ":".join(_properties({name: _LETTERS[columns[name].dtype.kind] for name in ordered}))
    stream.write(f"{len(cloud)}\n{' '.join([head, *_lattice(cloud.lattice), *said])}\n")
    truths = {name: np.where(columns[name], "T", "F") for name in ordered if columns[name].dtype.kind == "b"}
    stream.writelines(" ".join(row) + "\n" for row in rows_of((columns | truths)[name] for name in ordered))


def _properties(letters: Mapping[str, str]) -> list[str]:
    """Names, kinds and widths; columns ``v_0``, ``v_1``, … that stand together are one property.

    Example:
        >>> _properties({"pos_0": "R", "pos_1": "R", "id": "I"})
        ['pos:R:2', 'id:I:1']
    """
    said: list[str] = []
    names = list(letters)
    while names:
        base = names[0].removesuffix("_0")
        width = 1
        while (
            base != names[0]
            and letters.get(f"{base}_{width}") == letters[names[0]]
            and names[width] == f"{base}_{width}"
        ):
            width += 1
        name = base if width > 1 or base == "pos" else names[0]
        said.append(f"{name}:{letters[names[0]]}:{width}")
        del names[:width]
    return said


@dataclass(frozen=True)
class _Frame:
    """A frame of a file: what its comment says, and where its rows stand."""

    file: Path
    comment: int
    content: Sequence[int]

    def cloud(self, lines: Sequence[str]) -> PointCloud:
        """The points of the frame."""
        said = {name.lower(): value.strip("\"'{}[]") for name, value in _SAID.findall(lines[self.comment])}
        if not self.content:
            raise PointFileError(self.file, row=self.comment, came="a frame of no points", wanted="at least one")
        places = self._places(said, len(lines[self.content[0]].split()))
        axes = [place for place, (name, _) in enumerate(places) if name in _POSITIONS]
        if not axes:
            came = f"the properties {', '.join(name for name, _ in places)}"
            raise PointFileError(self.file, row=self.comment + 1, came=came, wanted="one called pos")
        names = distinct(f"pos_{place}" if place in axes else name for place, (name, _) in enumerate(places))
        others = {place: name for place, name in enumerate(names) if place not in axes}
        kinds = {place: _KINDS[letter] for place, (_, letter) in enumerate(places)}
        cloud = _rows(self.file, lines, self.content, len(places)).cloud(axes, others, kinds)
        return replace(cloud, lattice=self._lattice(said))

    def _places(self, said: Mapping[str, str], width: int) -> list[tuple[str, str]]:
        """Name and kind of what stands in each place of a row."""
        if "properties" not in said:
            if width < 4:
                row = self.content[0] + 1
                raise PointFileError(self.file, row=row, came=f"{width} fields", wanted="an element and 3 coordinates")
            others = [(f"column{place + 1}", "") for place in range(4, width)]
            return [(ELEMENT, "S"), *3 * [("pos", "R")], *others]
        fields = said["properties"].split(":")
        places: list[tuple[str, str]] = []
        for name, letter, count in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
            if letter not in _KINDS or not _is_count(count) or not 0 < int(count) <= width:
                break
            whole = name in _POSITIONS or count == "1"
            places += [(name if whole else f"{name}_{part}", letter) for part in range(int(count))]
        else:
            if len(fields) % 3 == 0:
                return places
        came = f"Properties={said['properties'][:80]}"
        raise PointFileError(
            self.file, row=self.comment + 1, came=came, wanted="name:R:3 and the like, joined by colons"
        )

    def _lattice(self, said: Mapping[str, str]) -> Lattice | None:
        if "lattice" not in said:
            return None
        try:
            vectors, origin, flags = (
                said.get(name, usual).replace(",", " ").split()
                for name, usual in (("lattice", ""), ("origin", "0 0 0"), ("pbc", "T T T"))
            )
            numbers = np.array([*vectors, *origin], np.float64)
            first, second, third = (flag in _TRUE for flag in flags)
            if not np.isfinite(numbers).all():
                raise ValueError
            return Lattice(numbers[:9].reshape(3, 3), (first, second, third), numbers[9:].reshape(3))
        except ValueError:
            came, wanted = f"Lattice={said['lattice'][:80]!r}", "nine numbers, and an origin and a pbc of three"
            raise PointFileError(self.file, row=self.comment + 1, came=came, wanted=wanted) from None


def _frames(file: Path, lines: Sequence[str], place: int) -> list[_Frame]:
    """All frames of a file, from the line of the first count on."""
    frames = []
    while place < len(lines):
        if lines[place].strip():
            if not _is_count(lines[place]):
                came = repr(lines[place].strip()[:40])
                raise PointFileError(file, row=place + 1, came=came, wanted="the count of another frame, or no more")
            count, start = int(lines[place]), place
            content: list[int] = []
            place += 2
            while place < len(lines) and len(content) < count:
                content += [place] if lines[place].strip() else []
                place += 1
            if len(content) < count:
                came = f"a count of {count}"
                raise PointFileError(file, row=start + 1, came=came, wanted=f"{len(content)}, the lines")
            frames.append(_Frame(file, start + 1, content))
        else:
            place += 1
    return frames


def _chosen(file: Path, frames: Sequence[_Frame], index: int) -> _Frame:
    if not -len(frames) <= index < len(frames):
        came = f"the frame {index}"
        raise PointFileError(file, came=came, wanted=f"one from 0 to {len(frames) - 1}, or from the end, −1 and so on")
    return frames[index]


def _rows(file: Path, lines: Sequence[str], content: Sequence[int], width: int) -> Rows:
    return Rows(file, [index + 1 for index in content], [lines[index].split() for index in content], width)


def _is_count(field: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", field.strip()) is not None


def _is_plain(cloud: PointCloud) -> bool:
    """Whether lines of numbers hold all of a cloud, and are read as what they are."""
    others = [name for name in cloud.columns if name != ELEMENT]
    known = all(name in COLOURS or name.startswith("column") for name in others)
    numbers = all(cloud.columns[name].dtype.kind in "fiu" for name in others)
    flat = cloud.dimension == 2 and not cloud.columns
    return cloud.weights is None and cloud.lattice is None and known and numbers and (flat or cloud.dimension == 3)


def _check_words(name: str, values: Array) -> None:
    if re.search(r"[\s:\"'={}\[\]]", name) or not name:
        raise ArgumentError(name, came="a name of several words or marks", wanted="one word, as XYZ has")
    if values.dtype.kind not in _LETTERS:
        raise ArgumentError(
            name, came=f"values of {values.dtype}", wanted="numbers or words, which are all that XYZ holds"
        )
    if values.dtype.kind == "U":
        wrong = [word for word in np.unique(values).tolist() if len(word.split()) != 1 or word != word.strip()]
        if wrong:
            raise ArgumentError(
                name, came=repr(wrong[0][:40]), wanted="words without blanks, which are all that XYZ holds"
            )


def _lattice(lattice: Lattice | None) -> list[str]:
    """The cell as a comment says it; without one nothing is periodic."""
    if lattice is None:
        return ['pbc="F F F"']
    flags = " ".join("FT"[int(flag)] for flag in lattice.periodic)
    return [f'Lattice="{_row(lattice.vectors.ravel())}"', f'Origin="{_row(lattice.origin)}"', f'pbc="{flags}"']


def _row(values: Array) -> str:
    return " ".join(map(repr, values.tolist()))
