"""Points on a triangulated surface.

A triangle is chosen in proportion to its area, and on it ``p = (1 − √u) a + √u (1 − v) b + √u v c`` with u and v
uniform (Osada et al., Shape distributions, 2002). The choices are systematic: one in each of equal parts of the area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from interflow.errors import PointFileError
from interflow.storage.points.cloud import Array, PointCloud
from interflow.storage.points.format import Reading


def sample_surface(
    file: Path, vertices: Array, triangles: Array, columns: Mapping[str, Array], reading: Reading
) -> PointCloud:
    """Uniform points on a surface; the columns of the vertices are interpolated.

    Args:
        file: where the surface comes from, for messages.
        vertices: ``(V, d)``.
        triangles: ``(T, 3)``, indices of vertices.
        columns: ``(V,)`` arrays by name.
        reading: how many points, and the seed.

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
    generator = np.random.default_rng(reading.seed)
    parts = (np.arange(reading.samples) + generator.random(reading.samples)) / reading.samples
    cumulative = np.cumsum(areas)
    chosen = triangles[np.searchsorted(cumulative, parts * cumulative[-1], side="right").clip(max=len(areas) - 1)]
    root, v = np.sqrt(generator.random(reading.samples)), generator.random(reading.samples)
    shares = np.stack([1 - root, root * (1 - v), root * v], axis=1)
    return PointCloud(
        np.einsum("nk,nkd->nd", shares, vertices[chosen]),
        columns={name: _interpolated(values, chosen, shares) for name, values in columns.items()},
    )


def triangulated(vertices: Array, polygons: Sequence[Sequence[int]]) -> Array:
    """Polygons in space as triangles ``(T, 3)``, from the first corner of convex ones, and by ears of the others.

    Args:
        vertices: ``(V, d)``, at most three coordinates each.
        polygons: indices of the corners of each, in order around it.

    Example:
        >>> triangulated(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), [[0, 1, 2, 3]])
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
        triangles += [polygon[_ears(outline)] for polygon, outline in zip(corners[~simple], flat[~simple], strict=True)]
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


def _ears(outline: Array) -> Array:
    """Triangles ``(T, 3)`` of a polygon in the plane, by its corners."""
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
