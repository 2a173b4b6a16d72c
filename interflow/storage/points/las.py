"""LAS and LAZ, of laser scanners, parsed by laspy."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import final

import numpy as np

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points.cloud import PointCloud
from interflow.storage.points.format import PointFormat, Reading, foreign

_COORDINATES = ("X", "Y", "Z")
_DIGITS = 1e9  # a coordinate is a 32-bit whole number times a scale
_BYTES_OF_A_POINT = 20
_WITH_COLOURS = 3


@final
class LasFormat(PointFormat):
    """Points in space, and the dimensions of the file as columns. It needs laspy, and lazrs for LAZ."""

    suffixes = (".las", ".laz")

    def load(self, file: Path, reading: Reading) -> PointCloud:
        laspy = _laspy(file)
        with foreign(file, "a LAS file"), laspy.open(file) as stream:
            count, size = stream.header.point_count, file.stat().st_size
            if not stream.header.are_points_compressed and count * _BYTES_OF_A_POINT > size:
                raise PointFileError(file, came=f"a header that counts {count} points", wanted=f"{size} bytes of them")
            points = stream.read()
            if len(points) != count:
                raise PointFileError(file, came=f"{len(points)} points", wanted=f"the {count} that its header counts")
            names = [name for name in points.point_format.dimension_names if name not in _COORDINATES]
            columns = {name: np.array(points[name]) for name in names}
            flat = {name: values for name, values in columns.items() if values.ndim == 1}
            return PointCloud(np.stack([points.x, points.y, points.z], axis=1), columns=flat)

    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        laspy = _laspy(file)
        if cloud.dimension != 3:
            raise PointFileError(file, came=f"{cloud.dimension} coordinates a point", wanted="3")
        header = laspy.LasHeader(point_format=_WITH_COLOURS, version="1.4")
        extent = float(np.ptp(cloud.positions, axis=0).max()) or 1.0
        header.scales = np.full(3, 10.0 ** math.ceil(math.log10(extent / _DIGITS)))
        header.offsets = cloud.positions.min(0)
        known = set(header.point_format.dimension_names)
        columns = {**cloud.columns, **({} if cloud.weights is None else {"weight": cloud.weights})}
        for name, values in columns.items():
            if values.dtype.kind not in "fiub":
                raise ArgumentError(
                    name, came=f"values of {values.dtype}", wanted="numbers, which are all that LAS holds"
                )
            if name not in known:
                header.add_extra_dim(laspy.ExtraBytesParams(name=name, type=values.dtype))
        points = laspy.LasData(header)
        points.x, points.y, points.z = cloud.positions.T
        for name, values in columns.items():
            points[name] = values
        points.write(str(file))


def _laspy(file: Path) -> ModuleType:
    try:
        import laspy
    except ImportError:
        remedy = "Install it: pip install 'interflow-particles[las]'."
        raise PointFileError(file, came="a file of laser points", wanted="the package laspy", remedy=remedy) from None
    module: ModuleType = laspy
    return module
