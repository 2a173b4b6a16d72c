"""PLY, OBJ and STL: points, and uniform points on triangulated surfaces.

A triangle is chosen in proportion to its area, and on it ``p = (1 − √u) a + √u (1 − v) b + √u v c`` with u and v
uniform (Osada et al., Shape distributions, 2002). The choices are systematic: one in each of equal parts of the area.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from interflow.errors import ArgumentError, PointFileError, needed_package
from interflow.storage.points.format import (
    COLOURS,
    EXTRA,
    Array,
    PointCloud,
    PointFormat,
    PointReadOptions,
    distinct,
    parser_errors_as_point_file_errors,
)
from interflow.storage.points.text import lines_of


def sample_surface(
    file: Path, vertices: Array, triangles: Array, columns: Mapping[str, Array], options: PointReadOptions
) -> PointCloud:
    """Return uniform points on a surface; the columns of the vertices are interpolated.

    Args:
        file: where the surface comes from, for messages.
        vertices: ``(V, d)``.
        triangles: ``(T, 3)``, indices of vertices.
        columns: ``(V,)`` arrays by name.
        options: how many points, and the seed.

    Raises:
        PointFileError: if a triangle has no such vertex, or the surface has no area.
    """
    wrong = np.flatnonzero(((triangles < 0) | (triangles >= len(vertices))).any(1))
    if len(wrong):
        came = f"triangle {wrong[0] + 1} with the vertices {triangles[wrong[0]].tolist()}"
        raise PointFileError(file, came=came, wanted=f"indices below {len(vertices)}, the number of vertices")
    areas = _areas(vertices[triangles])
    if not 0 < areas.sum() < np.inf:
        raise PointFileError(file, came=f"a surface of area {areas.sum():g}", wanted="a positive finite area")
    generator = np.random.default_rng(options.seed)
    parts = (np.arange(options.samples) + generator.random(options.samples)) / options.samples
    cumulative = np.cumsum(areas)
    chosen = triangles[np.searchsorted(cumulative, parts * cumulative[-1], side="right").clip(max=len(areas) - 1)]
    root, v = np.sqrt(generator.random(options.samples)), generator.random(options.samples)
    shares = np.stack([1 - root, root * (1 - v), root * v], axis=1)
    return PointCloud(
        np.einsum("nk,nkd->nd", shares, vertices[chosen]),
        columns={name: _interpolated(values, chosen, shares) for name, values in columns.items()},
    )


def triangulated(file: Path, vertices: Array, polygons: Sequence[Sequence[int]]) -> Array:
    """Split polygons in space into triangles ``(T, 3)``: convex ones from their first corner, others by ears.

    Args:
        file: where the polygons come from, for messages.
        vertices: ``(V, d)``, at most three coordinates each.
        polygons: indices of the corners of each, in order around it.

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> triangulated(Path("square.obj"), square, [[0, 1, 2, 3]])
        array([[0, 1, 2],
               [0, 2, 3]])
    """
    space = np.pad(vertices, ((0, 0), (0, 3 - vertices.shape[1])))
    triangles = [np.empty((0, 3), np.int64)]
    for size in sorted({len(polygon) for polygon in polygons if len(polygon) >= 3}):
        corners = np.array([polygon for polygon in polygons if len(polygon) == size], np.int64)
        known = np.asarray(((corners >= 0) & (corners < len(space))).all(1))  # others are refused with their triangles
        flat = _flattened(space[np.where(known[:, None], corners, 0)])
        simple = ~known | _are_convex(flat)
        fans = [
            np.stack([corners[simple, 0], corners[simple, i], corners[simple, i + 1]], 1) for i in range(1, size - 1)
        ]
        triangles += [np.stack(fans, axis=1).reshape(-1, 3)]
        triangles += [
            polygon[_ears(outline, file)] for polygon, outline in zip(corners[~simple], flat[~simple], strict=True)
        ]
    return np.concatenate(triangles)


def _flattened(outlines: Array) -> Array:
    """``(P, n, 2)`` of polygons ``(P, n, 3)``: without the axis that their normals are nearest to (Newell's method)."""
    following = np.roll(outlines, -1, axis=1)
    middle = outlines.mean(1, keepdims=True)
    normals = np.cross(outlines - middle, following - middle).sum(1)
    kept = np.array([[1, 2], [2, 0], [0, 1]])[np.abs(normals).argmax(1)]
    flat: Array = np.take_along_axis(outlines, np.broadcast_to(kept[:, None], (*outlines.shape[:2], 2)), axis=2)
    return flat


def _are_convex(outlines: Array) -> Array:
    """Whether polygons turn to one side at all corners, and once around in all."""
    sides = np.roll(outlines, -1, axis=1) - outlines
    following = np.roll(sides, -1, axis=1)
    turns = sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0]
    angles = np.arctan2(turns, (sides * following).sum(2)).sum(1)
    one_sided: Array = ((turns >= 0).all(1) | (turns <= 0).all(1)) & (np.abs(angles) < 3 * np.pi)
    return one_sided


def _ears(outline: Array, file: Path) -> Array:
    """Triangles ``(T, 3)`` of a polygon in the plane, by its corners."""
    with needed_package("mapbox-earcut", extra=EXTRA, needed_for=f"A concave polygon in {file}"):
        import mapbox_earcut
    ends = np.array([len(outline)], np.uint32)
    ears: Array = mapbox_earcut.triangulate_float64(np.ascontiguousarray(outline, np.float64), ends)
    return ears.reshape(-1, 3).astype(np.int64)


def _areas(corners: Array) -> Array:
    """``½ √(|b|²|c|² − (b·c)²)`` of triangles with sides b and c, in any dimension."""
    b, c = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    squares = (b * b).sum(1) * (c * c).sum(1) - (b * c).sum(1) ** 2
    areas: Array = np.sqrt(squares.clip(min=0)) / 2
    return areas


def _interpolated(values: Array, chosen: Array, shares: Array) -> Array:
    mixed: Array = (values[chosen] * shares).sum(1)
    whole: Array = np.rint(mixed) if values.dtype.kind in "iu" else mixed
    return whole.astype(values.dtype)


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

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
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
        return sample_surface(file, positions, triangulated(file, positions, polygons), columns, options)

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
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

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        with needed_package("trimesh", extra=EXTRA, needed_for=str(file)):
            import trimesh
        with parser_errors_as_point_file_errors(file, "an STL file"), open(file, "rb") as stream:
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
        return sample_surface(file, vertices, faces, {}, options)

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
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


WEIGHT = "weight"
_WRITTEN = {"f": "f4", "d": "f8", "e": "f4", "b": "i1", "h": "i2", "B": "u1", "H": "u2", "I": "u4", "?": "u1"}


@final
class PlyFormat(PointFormat):
    """Vertices ``x``, ``y`` and ``z``, weights ``weight``, in small letters or large; all other properties are columns.

    Of a file with faces the surface is sampled. Points are written as a binary file.
    """

    suffixes = (".ply",)

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        with needed_package("plyfile", extra=EXTRA, needed_for=str(file)):
            from plyfile import PlyData
        _check_header(file)
        with parser_errors_as_point_file_errors(file, "a PLY file"):
            data = PlyData.read(file, mmap=False)
            elements = {element.name.lower(): element.data for element in data.elements}
            vertices = elements["vertex"]
            polygons = _polygons(elements["face"]) if "face" in elements else []
        names = [name for name in vertices.dtype.names or () if vertices.dtype[name].kind in "fiu"]
        lower = distinct(name.lower() for name in names)
        axes = [lower.index(name) for name in "xyz" if name in lower]
        if not axes:
            raise PointFileError(file, came=f"the properties {', '.join(names)}", wanted="vertices with x, y and z")
        with parser_errors_as_point_file_errors(file, "vertices with finite coordinates"):
            positions = np.stack([vertices[names[place]].astype(np.float64) for place in axes], axis=1)
        columns = {name: np.array(vertices[name]) for place, name in enumerate(names) if place not in axes}
        weight = names[lower.index(WEIGHT)] if WEIGHT in lower else WEIGHT
        weights = columns.pop(weight, None)
        if polygons:
            triangles = triangulated(file, _finite(file, positions), polygons)
            return sample_surface(file, positions, triangles, columns, options)
        return PointCloud(positions, weights, columns, axes=[lower[place] for place in axes])

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        with needed_package("plyfile", extra=EXTRA, needed_for=str(file)):
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
