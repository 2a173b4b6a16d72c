"""PLY, the Stanford format, ASCII and binary, parsed by plyfile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import final

import numpy as np

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points.cloud import Array, PointCloud, distinct
from interflow.storage.points.format import PointFormat, Reading, foreign
from interflow.storage.points.surface import sample_surface, triangulated

WEIGHT = "weight"
_WRITTEN = {"f": "f4", "d": "f8", "e": "f4", "b": "i1", "h": "i2", "B": "u1", "H": "u2", "I": "u4", "?": "u1"}


@final
class PlyFormat(PointFormat):
    """Vertices ``x``, ``y`` and ``z``, weights ``weight``, in small letters or large; all other properties are columns.

    Of a file with faces the surface is sampled. Points are written as a binary file.
    """

    suffixes = (".ply",)

    def load(self, file: Path, reading: Reading) -> PointCloud:
        from plyfile import PlyData

        _check_header(file)
        with foreign(file, "a PLY file"):
            data = PlyData.read(file, mmap=False)
            elements = {element.name.lower(): element.data for element in data.elements}
            vertices = elements["vertex"]
            polygons = _polygons(elements["face"]) if "face" in elements else []
        names = [name for name in vertices.dtype.names or () if vertices.dtype[name].kind in "fiu"]
        lower = distinct(name.lower() for name in names)
        axes = [lower.index(name) for name in "xyz" if name in lower]
        if not axes:
            raise PointFileError(file, came=f"the properties {', '.join(names)}", wanted="vertices with x, y and z")
        with foreign(file, "vertices with finite coordinates"):
            positions = np.stack([vertices[names[place]].astype(np.float64) for place in axes], axis=1)
        columns = {name: np.array(vertices[name]) for place, name in enumerate(names) if place not in axes}
        weight = names[lower.index(WEIGHT)] if WEIGHT in lower else WEIGHT
        weights = columns.pop(weight, None)
        if polygons:
            triangles = triangulated(_finite(file, positions), polygons)
            return sample_surface(file, positions, triangles, columns, reading)
        return PointCloud(positions, weights, columns, axes=[lower[place] for place in axes])

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        from plyfile import PlyData, PlyElement

        if cloud.dimension > 3:
            raise PointFileError(file, came=f"{cloud.dimension} coordinates a point", wanted="at most 3")
        axes = cloud.axes if set(cloud.axes) <= set("xyz") and cloud.axes else "xyz"[: cloud.dimension]
        columns = cloud.named(axes, WEIGHT)
        dtype = [(name, _written(name, values)) for name, values in columns.items()]
        vertices = np.empty(len(cloud), dtype=dtype)
        for name, values in columns.items():
            vertices[name] = values
        PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<").write(str(file))


def _check_header(file: Path) -> None:
    """Refuse counts that cannot be, since memory would be asked for by them."""
    with open(file, "rb") as stream:
        header = stream.read(65536).partition(b"end_header")[0]
    size = file.stat().st_size
    for name, count in re.findall(rb"^\s*element\s+(\S+)\s+(\S+)\s*$", header, re.MULTILINE):
        if not count.isdigit() or int(count) > size:
            came = f"a header that counts {count.decode(errors='replace')[:20]} of {name.decode(errors='replace')[:20]}"
            raise PointFileError(file, came=came, wanted=f"as many as fit into the file's {size} bytes")


def _polygons(faces: Array) -> list[list[int]]:
    lists = [name for name in faces.dtype.names or () if name.lower() in ("vertex_indices", "vertex_index")]
    return [list(polygon) for polygon in faces[lists[0]]] if lists else []


def _finite(file: Path, vertices: Array) -> Array:
    broken = np.flatnonzero(~np.isfinite(vertices).all(1))
    if len(broken):
        came = f"the vertex {vertices[broken[0]].tolist()}"
        raise PointFileError(file, row=int(broken[0]) + 1, came=came, wanted="finite coordinates")
    return vertices


def _written(name: str, values: Array) -> str:
    """The type of a property: the nearest that PLY has."""
    kind = values.dtype.char
    if kind in _WRITTEN:
        return _WRITTEN[kind]
    if values.dtype.kind in "iu":
        return "i4"
    wanted = "numbers, which are all that PLY holds"
    raise ArgumentError(name, came=f"values of {values.dtype}", wanted=wanted, remedy="Leave it out, or write CSV.")
