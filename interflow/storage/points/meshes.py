"""OBJ and STL: surfaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np

from interflow.errors import PointFileError
from interflow.storage.points.cloud import COLOURS, Array, PointCloud
from interflow.storage.points.format import PointFormat, Reading, foreign
from interflow.storage.points.surface import sample_surface, triangulated
from interflow.storage.points.text import lines_of

_MARK = 1e-3
_CORNERS = np.array([[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [-0.5, -(0.75**0.5), 0.0]])
_BYTES_OF_A_TRIANGLE = 50


@final
class ObjFormat(PointFormat):
    """The surface of an OBJ file, sampled; its vertices where it has no faces. Points are written as vertices.

    Faces name vertices from 1, or back from the last one so far, −1. Colours stand behind the coordinates of a vertex,
    as many programs write them: ``v x y z red green blue``.
    """

    suffixes = (".obj",)

    def load(self, file: Path, reading: Reading) -> PointCloud:
        vertices: list[list[float]] = []
        polygons: list[list[int]] = []
        for line, (kind, *fields) in _statements(file):
            if kind == "v":
                vertices.append(_vertex(file, line, fields))
            elif kind == "f":
                polygons.append(_polygon(file, line, fields, len(vertices)))
        if not vertices:
            raise PointFileError(file, came="no vertices", wanted="lines `v x y z`")
        positions = np.array([vertex[:3] for vertex in vertices])
        coloured = all(len(vertex) >= 6 for vertex in vertices)
        shades = np.array([vertex[3:6] for vertex in vertices]).T if coloured else np.empty((0, len(vertices)))
        columns = {name: _bytes(values, shades.max()) for name, values in zip(COLOURS, shades, strict=False)}
        if not polygons:
            return PointCloud(positions, columns=columns)
        return sample_surface(file, positions, triangulated(positions, polygons), columns, reading)

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        _check_space(file, cloud)
        coloured = all(name in cloud.columns for name in COLOURS)
        shades = [_unit(cloud.columns[name]) for name in COLOURS] if coloured else []
        np.savetxt(file, np.column_stack([cloud.positions, *shades]), fmt="v" + 3 * " %.12g" + len(shades) * " %.5g")


@final
class StlFormat(PointFormat):
    """The surface of an STL file, sampled.

    STL holds triangles alone, so a point is written as a small one around it, flat in x and y.
    """

    suffixes = (".stl",)

    def load(self, file: Path, reading: Reading) -> PointCloud:
        import trimesh

        with foreign(file, "an STL file"), open(file, "rb") as stream:
            _check_triangles(stream.read(84), file.stat().st_size)
            stream.seek(0)
            parts: list[Any] = list(trimesh.load_scene(stream, file_type="stl", process=False).dump())
            vertices = np.concatenate([part.vertices for part in parts]).astype(np.float64)
            starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
            faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
        broken = np.flatnonzero(~np.isfinite(vertices).all(1))
        if len(broken):
            came = "a vertex that is not finite"
            raise PointFileError(file, row=int(broken[0]) + 1, came=came, wanted="finite vertices")
        return sample_surface(file, vertices, faces, {}, reading)

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        _check_space(file, cloud)
        size = _MARK * float(np.ptp(cloud.positions, axis=0).max() or 1.0)
        record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
        triangles = np.zeros(len(cloud), record)
        triangles["normal"] = (0.0, 0.0, 1.0)
        triangles["corners"] = cloud.positions[:, None, :] + size * _CORNERS
        header = b"points of interflow".ljust(80)
        file.write_bytes(header + np.uint32(len(cloud)).tobytes() + triangles.tobytes())


def _unit(shades: Array) -> Array:
    """Shades between 0 and 1, as OBJ has them."""
    return shades / np.iinfo(shades.dtype).max if shades.dtype.kind in "iu" else shades


def _check_triangles(header: bytes, size: int) -> None:
    """Refuse a binary file whose header promises more triangles than there are."""
    if header.lstrip()[:5].lower() == b"solid":
        return
    count = int.from_bytes(header[80:84], "little")
    if len(header) < 84 or 84 + _BYTES_OF_A_TRIANGLE * count > size:
        raise ValueError(f"a header that counts {count} triangles over {size} bytes")


def _statements(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line, and its number; a line that ends with a backslash goes on in the next."""
    begun: list[str] = []
    for number, line in enumerate(lines_of(file), start=1):
        fields = begun + line.partition("#")[0].split()
        going_on = bool(fields) and fields[-1].endswith("\\")
        begun = [*fields[:-1], *fields[-1][:-1].split()] if going_on else []
        if fields and not going_on:
            yield number, fields


def _vertex(file: Path, line: int, fields: list[str]) -> list[float]:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = []
    if len(numbers) < 3 or not np.isfinite(numbers).all():
        came = repr(" ".join(["v", *fields])[:60])
        raise PointFileError(file, row=line, came=came, wanted="a vertex `v x y z`")
    return numbers


def _polygon(file: Path, line: int, fields: list[str], count: int) -> list[int]:
    """Indices from 0 of the corners of a face, ``v``, ``v/vt``, ``v//vn`` or ``v/vt/vn`` each."""
    corners = [field.partition("/")[0] for field in fields]
    if len(fields) < 3 or not all(re.fullmatch(r"-?[0-9]{1,18}", corner) and int(corner) for corner in corners):
        came = repr(" ".join(["f", *fields])[:60])
        raise PointFileError(file, row=line, came=came, wanted="a face `f 1 2 3` of three corners or more")
    indices = [int(corner) for corner in corners]
    if min(indices) < -count:
        wanted = f"{-count} or more, as {count} vertices stand before it"
        raise PointFileError(file, row=line, came=f"the vertex {min(indices)}", wanted=wanted)
    return [index - 1 if index > 0 else count + index for index in indices]


def _bytes(shades: Array, largest: float) -> Array:
    """Shades from 0 to 1, or from 0 to 255 where the largest of all colours is over 1, as bytes."""
    scaled: Array = np.rint((255 if largest <= 1 else 1) * shades).clip(0, 255)
    return scaled.astype(np.uint8)


def _check_space(file: Path, cloud: PointCloud) -> None:
    if cloud.dimension != 3:
        raise PointFileError(
            file, came=f"{cloud.dimension} coordinates a point", wanted="3", remedy="Write CSV or PLY."
        )
