"""LAS and LAZ, of laser scanners, parsed by laspy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, final

import numpy as np

from interflow.errors import ArgumentError, PointFileError, needed_package
from interflow.storage.points.format import (
    Array,
    PointCloud,
    PointFormat,
    PointReadOptions,
    distinct,
    parser_errors_as_point_file_errors,
)

_COORDINATES = ("X", "Y", "Z")
_DIGITS = 1e9  # a coordinate is a 32-bit whole number times a scale
_BYTES_OF_A_POINT = 20
_MAX_NAME_BYTES = 32
_POINT_FORMATS = (3, 6, 7, 8, 9, 10, 4, 5)
_WEIGHT = "weight"
_HEADER_BYTES = 375
_WITH_EXTENDED = bytes((1, 4))  # the first version that has such records
_RECORDS = {"records": (100, 54), "extended records": (243, 60)}  # where the count is, and the bytes of one
_COMPRESSED = 0b1100_0000  # bits of the number of the point format


@final
class LasFormat(PointFormat):
    """Points in space, their ``weight``, and other dimensions of the file as columns. It needs laspy; LAZ lazrs."""

    suffixes = (".las", ".laz")

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        laspy = _laspy(file)
        _check_counts(file)
        _check_chunks(file)
        with parser_errors_as_point_file_errors(file, "a LAS file"), laspy.open(file) as stream:
            count, size = stream.header.point_count, file.stat().st_size
            if not stream.header.are_points_compressed and count * _BYTES_OF_A_POINT > size:
                raise PointFileError(file, came=f"a header that counts {count} points", wanted=f"{size} bytes of them")
            points = stream.read()
            if len(points) != count:
                raise PointFileError(file, came=f"{len(points)} points", wanted=f"the {count} that its header counts")
            names = [name for name in points.point_format.dimension_names if name not in _COORDINATES]
            columns = {part: values for name in names for part, values in _parts(name, np.array(points[name])).items()}
            positions = np.stack([points.x, points.y, points.z], axis=1)
            return PointCloud(positions, columns.pop(_WEIGHT, None), columns)

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        laspy = _laspy(file)
        if cloud.dimension != 3:
            raise PointFileError(file, came=f"{cloud.dimension} coordinates a point", wanted="3")
        columns = {name: _numbers(name, values) for name, values in _named(cloud).items()}
        header = laspy.LasHeader(point_format=_point_format(laspy, columns), version="1.4")
        extent = float(np.ptp(cloud.positions, axis=0).max()) or 1.0
        header.scales = np.full(3, 10.0 ** math.ceil(math.log10(extent / _DIGITS)))
        header.offsets = cloud.positions.min(0)
        known = {dimension.name: dimension for dimension in header.point_format.dimensions}
        for name, values in columns.items():
            if name not in known:
                header.add_extra_dim(laspy.ExtraBytesParams(name=name, type=values.dtype))
            elif not _holds(known[name], values):
                came = f"values from {values.min()} to {values.max()}"
                wanted = (
                    f"whole numbers from {known[name].min} to {known[name].max}, which are all that LAS holds there"
                )
                raise ArgumentError(name, came=came, wanted=wanted)
        points = laspy.LasData(header)
        points.x, points.y, points.z = cloud.positions.T
        for name, values in columns.items():
            points[name] = values
        points.write(str(file))


def _parts(name: str, values: Array) -> dict[str, Array]:
    """A dimension as columns: itself, or one for each of its numbers."""
    return {name: values} if values.ndim == 1 else {f"{name}_{part}": column for part, column in enumerate(values.T)}


def _named(cloud: PointCloud) -> dict[str, Array]:
    """Weights and columns, called like no coordinate."""
    taken = [*_COORDINATES, "x", "y", "z"]
    weights = {} if cloud.weights is None else {_WEIGHT: cloud.weights}
    names = distinct([*taken, *weights, *cloud.columns])[len(taken) :]
    return dict(zip(names, [*weights.values(), *cloud.columns.values()], strict=True))


def _numbers(name: str, values: Array) -> Array:
    """A column in a type that LAS has."""
    if values.dtype.kind not in "fiub":
        raise ArgumentError(name, came=f"values of {values.dtype}", wanted="numbers, which are all that LAS holds")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise ArgumentError(
            name, came=f"a name of {len(name.encode())} bytes", wanted=f"at most {_MAX_NAME_BYTES} in LAS"
        )
    return values.astype({"?": np.uint8, "e": np.float32}.get(values.dtype.char, values.dtype))


def _point_format(laspy: ModuleType, columns: Mapping[str, Array]) -> int:
    """The first point format that lacks the fewest of the columns: 3, and from 6 on those of version 1.4."""

    def lacks(number: int) -> int:
        dimensions = {dimension.name: dimension for dimension in laspy.PointFormat(number).dimensions}
        return sum(name not in dimensions or not _holds(dimensions[name], values) for name, values in columns.items())

    return min(_POINT_FORMATS, key=lacks)


def _holds(dimension: Any, values: Array) -> bool:
    """Whether a dimension of LAS keeps values as they are."""
    if dimension.kind.name == "FloatingPoint":
        return True
    whole = values.dtype.kind != "f" or bool((np.rint(values) == values).all())
    return whole and dimension.min <= values.min(initial=0) and values.max(initial=0) <= dimension.max


def _check_counts(file: Path) -> None:
    """Refuse a header that counts more records than the file could hold, since each would be looked for."""
    with open(file, "rb") as stream:
        header = stream.read(_HEADER_BYTES)
    records = _RECORDS if header[24:26] >= _WITH_EXTENDED else {"records": _RECORDS["records"]}
    for name, (place, least) in records.items():
        count = int.from_bytes(header[place : place + 4], "little")
        if count * least > file.stat().st_size:
            came = f"a header that counts {count} {name}"
            raise PointFileError(file, came=came, wanted="as many as fit into the file")


def _check_chunks(file: Path) -> None:
    """Refuse a compressed file whose table of chunks cannot be, since its decoder would work on it for hours.

    The points begin with the place of the table, or −1 where the last 8 bytes of the file tell it; the table with its
    version and the number of chunks, each of which takes a byte or more (Isenburg, LASzip, 2013).
    """
    size = file.stat().st_size
    with open(file, "rb") as stream:
        header = stream.read(105)
        if len(header) < 105 or not header[104] & _COMPRESSED:
            return
        stream.seek(int.from_bytes(header[96:100], "little"))
        place = int.from_bytes(stream.read(8), "little", signed=True)
        if place == -1 and size >= 8:
            stream.seek(size - 8)
            place = int.from_bytes(stream.read(8), "little", signed=True)
        if 0 <= place <= size - 8:
            stream.seek(place + 4)
            if int.from_bytes(stream.read(4), "little") <= size:
                return
    raise PointFileError(file, came="a damaged table of chunks", wanted="a LAZ file")


def _laspy(file: Path) -> ModuleType:
    with needed_package("laspy", extra="las", needed_for=str(file)):
        import laspy
    module: ModuleType = laspy
    return module
