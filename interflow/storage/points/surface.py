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


def fan(polygon: Sequence[int] | Array) -> list[tuple[int, int, int]]:
    """A polygon as triangles from its first corner.

    Example:
        >>> fan([0, 1, 2, 3])
        [(0, 1, 2), (0, 2, 3)]
    """
    return [(int(polygon[0]), int(polygon[i]), int(polygon[i + 1])) for i in range(1, len(polygon) - 1)]


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
