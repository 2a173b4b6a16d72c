"""Reading and writing points by the suffix of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from interflow.errors import InterflowError, MissingPackageError, PointFileError
from interflow.storage.files import OF_THE_DISK, os_errors_as_storage_errors
from interflow.storage.points.arrays import NpyFormat, NpzFormat
from interflow.storage.points.format import (
    MAX_FILE_BYTES,
    Array,
    PointCloud,
    PointFormat,
    PointReadOptions,
    parser_errors_as_point_file_errors,
)
from interflow.storage.points.image import ImageFormat
from interflow.storage.points.las import LasFormat
from interflow.storage.points.meshes import ObjFormat, PlyFormat, StlFormat
from interflow.storage.points.table import CsvFormat
from interflow.storage.points.xyz import XyzFormat

FORMATS: Final[tuple[PointFormat, ...]] = (
    NpyFormat(),
    NpzFormat(),
    CsvFormat(),
    XyzFormat(),
    PlyFormat(),
    ObjFormat(),
    StlFormat(),
    LasFormat(),
    ImageFormat(),
)


def format_of(file: str | os.PathLike[str]) -> PointFormat:
    """Return the format of a file, by its suffix.

    Raises:
        PointFileError: if there is none.
    """
    suffix = Path(file).suffix.lower()
    for known in FORMATS:
        if suffix in known.suffixes:
            return known
    wanted = "a file whose name ends in one of " + ", ".join(name for known in FORMATS for name in known.suffixes)
    raise PointFileError(file, came=f"the suffix {suffix!r}", wanted=wanted)


def read_points(file: str | os.PathLike[str], options: PointReadOptions | None = None) -> PointCloud:
    """Read the points in a file: arrays, tables, scans; surfaces are sampled, and pixels of images are weighted points.

    Args:
        file: its path; the suffix tells the format.
        options: how images and surfaces become points.

    Raises:
        PointFileError: if there is no such file or it is damaged, too large or empty, naming the file and the row.
        MissingPackageError: if the package that reads the format is not installed.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "points.csv"
        >>> _ = file.write_text("x,y,label\\n0,1,a\\n2,3,b\\n")
        >>> read_points(file).positions
        array([[0., 1.],
               [2., 3.]])
    """
    path, known, options = Path(file), format_of(file), options or PointReadOptions()
    if not os.path.isfile(path):
        raise PointFileError(path, came="no such file", wanted="a file of points")
    size = path.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        raise PointFileError(path, came=f"{size} bytes", wanted=f"between 1 and {MAX_FILE_BYTES}")
    if options.frame not in (0, -1) and not known.framed:
        raise PointFileError(path, came=f"the frame {options.frame}", wanted="0, the only one", remedy="Leave it out.")
    with parser_errors_as_point_file_errors(path, "a file of points"):
        cloud = known.load(path, options)
    _check(path, cloud)
    return cloud


def write_points(file: str | os.PathLike[str], cloud: PointCloud, options: PointReadOptions | None = None) -> None:
    """Write points to a file, in the format that its suffix tells.

    Args:
        file: its path.
        cloud: the points.
        options: of the image that they are drawn like.

    Raises:
        ArgumentError: if the format cannot hold one of the columns.
        PointFileError: if it cannot hold points of this dimension, or the file cannot be written.
        MissingPackageError: if the package that writes the format is not installed.
        StorageError: if the disk is full, or takes nothing.
    """
    with _writing(file):
        format_of(file).save(Path(file), cloud, options or PointReadOptions())


def check_points(file: str | os.PathLike[str], cloud: PointCloud, options: PointReadOptions | None = None) -> None:
    """Raise what `write_points` would raise for a cloud of this kind, without writing the file.

    Args:
        file: its path; nothing is written there.
        cloud: points such as will be written.
        options: of the image that they are drawn like.

    Raises:
        ArgumentError: if the format cannot hold one of the columns.
        PointFileError: if it cannot hold points of this dimension.
        MissingPackageError: if the package that writes the format is not installed.
    """
    with _writing(file):
        format_of(file).check(Path(file), cloud, options or PointReadOptions())


@contextmanager
def _writing(file: str | os.PathLike[str]) -> Iterator[None]:
    """Re-raise any error of a writer as one line with the name of the file."""
    try:
        yield
    except PointFileError as error:
        raise PointFileError(file, came=error.came, wanted=error.wanted, remedy=error.remedy) from error
    except MissingPackageError as error:
        raise MissingPackageError(error.package, extra=error.extra, needed_for=str(file)) from error
    except InterflowError:
        raise
    except Exception as error:  # writers fail in all kinds of ways, and each means that the file is not whole
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            with os_errors_as_storage_errors(Path(file), "write it"):
                raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PointFileError(file, came=f"a failure as it was written ({reason})", wanted="a whole file") from error


def _check(file: Path, cloud: PointCloud) -> None:
    """Raise `PointFileError` for an empty cloud, non-finite coordinates or bad weights."""
    if len(cloud) == 0:
        raise PointFileError(file, came="no points", wanted="at least one")
    _check_rows(file, np.asarray(np.isfinite(cloud.positions).all(1)), "coordinates that are not finite", "finite ones")
    if cloud.weights is not None:
        with np.errstate(invalid="ignore"):
            good: Array = np.isfinite(cloud.weights) & (cloud.weights >= 0)
        _check_rows(file, good, "a weight that is negative or not finite", "weights ≥ 0")
        if cloud.mass <= 0:
            raise PointFileError(file, came="weights that are all 0", wanted="some mass")


def _check_rows(file: Path, good: Array, came: str, wanted: str) -> None:
    wrong = np.flatnonzero(~good)
    if len(wrong):
        raise PointFileError(file, row=int(wrong[0]) + 1, came=came, wanted=wanted)
