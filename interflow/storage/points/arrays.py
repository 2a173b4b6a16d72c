"""NPY and NPZ: NumPy's own files, read without pickle."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any, final

import numpy as np
from numpy.lib import format as npy

from interflow.errors import PointFileError
from interflow.storage.points.format import (
    MAX_FILE_BYTES,
    Array,
    PointCloud,
    PointFormat,
    PointReadOptions,
    distinct,
    parser_errors_as_point_file_errors,
)

POSITIONS, WEIGHTS = "positions", "weights"


@final
class NpyFormat(PointFormat):
    """One array of shape ``(N, d)``. It has no place for weights and columns, which are left out."""

    suffixes = (".npy",)

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        with parser_errors_as_point_file_errors(file, "a NumPy array of numbers"), open(file, "rb") as stream:
            return PointCloud(_array(stream, file.stat().st_size))

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        np.save(file, cloud.positions, allow_pickle=False)


@final
class NpzFormat(PointFormat):
    """Arrays by name: ``positions``, ``weights`` where there are any, and one for each column.

    A file with a single array of two axes may call it as it likes.
    """

    suffixes = (".npz",)

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        with parser_errors_as_point_file_errors(file, "an archive of NumPy arrays"), zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = sum(member.file_size for member in members)
            if packed > MAX_FILE_BYTES:
                raise PointFileError(file, came=f"{packed} bytes packed in it", wanted=f"at most {MAX_FILE_BYTES}")
            arrays = {}
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _array(stream, member.file_size)
        return self._cloud(file, arrays)

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        own = (
            {POSITIONS: cloud.positions}
            if cloud.weights is None
            else {POSITIONS: cloud.positions, WEIGHTS: cloud.weights}
        )
        arrays = zip(distinct([*own, *cloud.columns]), [*own.values(), *cloud.columns.values()], strict=True)
        with zipfile.ZipFile(file, "w") as archive:  # np.savez cannot take a column called `file`
            for name, values in arrays:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    npy.write_array(stream, np.asarray(values), allow_pickle=False)

    def _cloud(self, file: Path, arrays: dict[str, Array]) -> PointCloud:
        planar = [name for name, values in arrays.items() if values.ndim == 2]
        name = POSITIONS if POSITIONS in arrays else planar[0] if len(planar) == 1 else None
        if name is None:
            came = f"the arrays {', '.join(arrays) or 'of nobody'}"
            raise PointFileError(file, came=came, wanted=f"an array `{POSITIONS}` of shape (N, d)")
        positions = arrays.pop(name)
        columns = {key: values for key, values in arrays.items() if values.shape == positions.shape[:1]}
        with parser_errors_as_point_file_errors(file, f"an array `{name}` of shape (N, d)"):
            return PointCloud(positions, columns.pop(WEIGHTS, None), columns)


def _array(stream: IO[bytes], size: int) -> Array:
    """The array in a stream; one whose header promises more than there is, is refused before memory is asked for."""
    version = npy.read_magic(stream)
    readers: dict[tuple[int, int], Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, fortran_order, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError("pickled objects, which are not loaded")
    wanted = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or wanted > size:
        raise ValueError(f"a header of shape {shape} over {size} bytes")
    content = stream.read(wanted)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C").copy()
