"""OBJ and STL: surfaces, parsed by trimesh."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from interflow.errors import PointFileError
from interflow.storage.points.cloud import COLOURS, Array, PointCloud
from interflow.storage.points.format import PointFormat, Reading, foreign
from interflow.storage.points.surface import sample_surface

_MARK = 1e-3
_CORNERS = np.array([[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [-0.5, -(0.75**0.5), 0.0]])
_BYTES_OF_A_TRIANGLE = 50


@final
class ObjFormat(PointFormat):
    """The surface of an OBJ file, sampled; its vertices where it has no faces. Points are written as vertices.

    Colours stand behind the coordinates of a vertex, as many programs write them: ``v x y z red green blue``.
    """

    suffixes = (".obj",)

    def load(self, file: Path, reading: Reading) -> PointCloud:
        _check_vertices(file)
        return _surface(file, "obj", reading)

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
        return _surface(file, "stl", reading)

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        _check_space(file, cloud)
        size = _MARK * float(np.ptp(cloud.positions, axis=0).max() or 1.0)
        record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
        triangles = np.zeros(len(cloud), record)
        triangles["normal"] = (0.0, 0.0, 1.0)
        triangles["corners"] = cloud.positions[:, None, :] + size * _CORNERS
        header = b"points of interflow".ljust(80)
        file.write_bytes(header + np.uint32(len(cloud)).tobytes() + triangles.tobytes())


def _surface(file: Path, kind: str, reading: Reading) -> PointCloud:
    import trimesh

    with foreign(file, f"an {kind.upper()} file"), open(file, "rb") as stream:
        if kind == "stl":
            _check_triangles(stream.read(84), file.stat().st_size)
            stream.seek(0)
        scene = trimesh.load_scene(stream, file_type=kind, process=False, skip_materials=True)
        parts: list[Any] = list(scene.dump())
        meshes = [part for part in parts if isinstance(part, trimesh.Trimesh)]
        vertices = np.concatenate([part.vertices for part in (meshes or parts)]).astype(np.float64)
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
        colours = _colours(meshes or parts)
    if not faces:
        return PointCloud(vertices, columns=colours)
    broken = np.flatnonzero(~np.isfinite(vertices).all(1))
    if len(broken):
        raise PointFileError(file, row=int(broken[0]) + 1, came="a vertex that is not finite", wanted="finite vertices")
    return sample_surface(file, vertices, np.concatenate(faces), colours, reading)


def _colours(parts: Sequence[Any]) -> dict[str, Array]:
    """Of the vertices of all parts, between 0 and 255; none where one of them has none."""
    if any(part.visual.kind != "vertex" for part in parts):
        return {}
    return dict(zip(COLOURS, np.concatenate([part.visual.vertex_colors for part in parts]).T, strict=False))


def _unit(shades: Array) -> Array:
    """Shades between 0 and 1, as OBJ has them."""
    return shades / np.iinfo(shades.dtype).max if shades.dtype.kind in "iu" else shades


def _check_triangles(header: bytes, size: int) -> None:
    """Refuse a binary file whose header promises more triangles than there are."""
    if header.lstrip().startswith(b"solid"):
        return
    count = int.from_bytes(header[80:84], "little")
    if len(header) < 84 or 84 + _BYTES_OF_A_TRIANGLE * count > size:
        raise ValueError(f"a header that counts {count} triangles over {size} bytes")


def _check_vertices(file: Path) -> None:
    """Name the line of a vertex that is not three finite numbers, since the parser does not."""
    with foreign(file, "a text file"):
        lines = file.read_bytes().decode().splitlines()
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if fields[:1] == ["v"] and not _is_vertex(fields[1:4]):
            raise PointFileError(file, row=number, came=repr(line.strip()[:60]), wanted="a vertex `v x y z`")


def _is_vertex(fields: list[str]) -> bool:
    try:
        return len(fields) == 3 and bool(np.isfinite([float(field) for field in fields]).all())
    except ValueError:
        return False


def _check_space(file: Path, cloud: PointCloud) -> None:
    if cloud.dimension != 3:
        raise PointFileError(
            file, came=f"{cloud.dimension} coordinates a point", wanted="3", remedy="Write CSV or PLY."
        )
