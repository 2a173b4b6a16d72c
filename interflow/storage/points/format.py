"""Point clouds of files, and the interface of a point format."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from interflow._repr import ShortRepr
from interflow.errors import ArgumentError, MissingPackageError, PointFileError
from interflow.validation import check_choice

if TYPE_CHECKING:
    from interflow.boundaries import Boundary

Array = NDArray[Any]
COLOURS = ("red", "green", "blue")
EXTRA = "points"
"""The extra that installs the parsers of surfaces and images."""


@final
@dataclass(frozen=True, eq=False)
class Lattice:
    """The simulation cell that a file names.

    Args:
        vectors: ``(3, 3)``, a row for each side; a side that is missing is 0.
        periodic: along which of them the points repeat.
        origin: ``(3,)``, the corner that the sides begin at.
    """

    vectors: Array
    periodic: tuple[bool, bool, bool]
    origin: Array = field(default_factory=lambda: np.zeros(3))

    def boundary(self, dimension: int) -> Boundary:
        """Return the domain of the first axes: periodic along the sides that repeat, open along the others.

        Raises:
            ArgumentError: if a side that repeats is along no axis.

        Example:
            >>> Lattice(np.diag([2.0, 3.0, 0.0]), (True, False, False)).boundary(2)
            ProductBoundary([PeriodicBoundary(lengths=2.0, lower=0.0), OpenBoundary()])
        """
        from interflow.boundaries import OpenBoundary, PeriodicBoundary, ProductBoundary

        for axis, repeats in enumerate(self.periodic):
            side = self.vectors[axis]
            if repeats and (side[axis] <= 0 or np.count_nonzero(side) > 1):
                wanted = "a positive length along its axis alone"
                raise ArgumentError(f"vectors[{axis}]", came=side.tolist(), wanted=wanted)
        axes = zip(self.periodic[:dimension], np.diag(self.vectors).tolist(), self.origin.tolist(), strict=False)
        return ProductBoundary([PeriodicBoundary(*side) if repeats else OpenBoundary() for repeats, *side in axes])


@final
@dataclass(frozen=True, eq=False, repr=False)
class PointCloud(ShortRepr):
    """Weighted points with named columns.

    Args:
        positions: ``(N, d)``, numbers.
        weights: ``(N,)``, the mass of each point; None where all weigh the same.
        columns: what else is told of each point, ``(N,)`` arrays by name, such as ``red`` or ``intensity``.
        canvas: width and height of the image that the points come from, in pixels.
        axes: what a table calls the coordinates, d names; none for the usual ones.
        weight_name: what a table calls the weights.
        lattice: the cell that the points lie in, where the file tells one.

    Raises:
        ArgumentError: if the shapes do not fit together.

    Example:
        >>> cloud = PointCloud(np.zeros((3, 2)), columns={"label": np.array(["a", "b", "c"])})
        >>> cloud.select([2]).columns["label"]
        array(['c'], dtype='<U1')
    """

    positions: Array
    weights: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    canvas: tuple[int, int] | None = None
    axes: Sequence[str] = ()
    weight_name: str = "weight"
    lattice: Lattice | None = None

    def __post_init__(self) -> None:
        positions = _native(np.asarray(self.positions))
        if positions.ndim != 2 or positions.shape[1] == 0 or positions.dtype.kind not in "fiu":
            came = f"shape {positions.shape} of {positions.dtype}"
            raise ArgumentError("positions", came=came, wanted="numbers of shape (N, d)")
        object.__setattr__(self, "positions", positions)
        if len(self.axes) not in (0, positions.shape[1]):
            raise ArgumentError(
                "axes", came=f"{len(self.axes)} names", wanted=f"{positions.shape[1]}, one a coordinate"
            )
        columns = {name: _native(np.asarray(values)) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", MappingProxyType(columns))
        weights = {} if self.weights is None else {"weights": _native(np.asarray(self.weights))}
        for name, values in {**weights, **columns}.items():
            if values.shape != (len(positions),):
                raise ArgumentError(name, came=f"shape {values.shape}", wanted=f"({len(positions)},), one a point")
        for name, values in weights.items():
            if values.dtype.kind not in "fiu":
                raise ArgumentError(name, came=f"values of {values.dtype}", wanted="numbers")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def dimension(self) -> int:
        """Dimension d of the points."""
        return int(self.positions.shape[1])

    @property
    def mass(self) -> float:
        """The sum of the weights; 1 where all weigh the same."""
        return 1.0 if self.weights is None else float(np.sum(self.weights, dtype=np.float64))

    def select(self, index: Any) -> PointCloud:
        """Return the points at NumPy indices, with their weights and columns."""
        return replace(
            self,
            positions=self.positions[index],
            weights=None if self.weights is None else self.weights[index],
            columns={name: values[index] for name, values in self.columns.items()},
        )

    def extremes(self) -> PointCloud:
        """Return the points at which each array is least or largest."""
        weights = [] if self.weights is None else [self.weights]
        arrays = [*self.positions.T, *weights, *self.columns.values()]
        numbers = [values for values in arrays if values.dtype.kind in "fiub"]
        texts = [np.unique(values, return_index=True)[1] for values in arrays if values.dtype.kind not in "fiub"]
        ends = [[values.argmin(), values.argmax()] for values in numbers]
        return self.select(np.unique(np.concatenate([*ends, *texts])))

    def named(self, axes: Iterable[str], weight: str) -> dict[str, Array]:
        """Return coordinates, weights and columns by name; a repeated name gets a number.

        Example:
            >>> list(PointCloud(np.zeros((1, 2)), columns={"x": np.zeros(1)}).named("xy", "weight"))
            ['x', 'y', 'x.1']
        """
        weights = {} if self.weights is None else {weight: self.weights}
        arrays = [*self.positions.T, *weights.values(), *self.columns.values()]
        return dict(zip(distinct([*axes, *weights, *self.columns]), arrays, strict=True))


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, each repeated one with a number behind it.

    Example:
        >>> distinct(["a", "b", "a", "a"])
        ['a', 'b', 'a.1', 'a.2']
    """
    taken: list[str] = []
    for name in names:
        numbered = (f"{name}.{number}" for number in count(1))
        taken.append(name if name not in taken else next(other for other in numbered if other not in taken))
    return taken


def _native(values: Array) -> Array:
    """Return values in native byte order and at most 64 bits, as other libraries need."""
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


_PARSERS = ("PIL", "laspy", "plyfile", "trimesh")

MAX_FILE_BYTES = 4 * 2**30
"""Size of a file, and of its unpacked content [bytes]."""


@final
@dataclass(frozen=True)
class PointReadOptions:
    """Options for images, surfaces and files of several frames.

    Args:
        ink: which pixels of an image carry mass: the ``"dark"`` ones, ``1 − I^γ``, or the ``"light"`` ones, ``I^γ``,
            with the brightness I between 0 and 1.
        gamma: γ, from stored brightness to light; 2.2 is about that of sRGB, and 1 takes brightness as it is stored.
        pixels: an image of more is reduced to at most as many; positions stay those in the file's own pixels.
        samples: points drawn on a surface.
        seed: of that draw.
        frame: which one of a file of several, from 0, or from the end: −1 is the last.

    Example:
        >>> PointReadOptions(ink="light").gamma
        2.2
    """

    ink: Literal["dark", "light"] = "dark"
    gamma: float = 2.2
    pixels: int = 1_000_000
    samples: int = 200_000
    seed: int = 0
    frame: int = -1

    def __post_init__(self) -> None:
        check_choice("ink", self.ink, ["dark", "light"])
        for name in ("gamma", "pixels", "samples"):
            if not getattr(self, name) > 0:
                raise ArgumentError(name, came=getattr(self, name), wanted="a positive number")


class PointFormat(ABC):
    """A format of files. A subclass names its suffixes, says if there are frames, and writes `load` and `save`."""

    suffixes: ClassVar[tuple[str, ...]]
    framed: ClassVar[bool] = False

    @abstractmethod
    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        """Return the points in a file; `read_points` checks them."""

    @abstractmethod
    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        """Write points to a file, which may be there already."""

    def check(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        """Raise what `save` would raise, by writing the extreme points to a temporary file."""
        with TemporaryDirectory() as folder:
            self.save(Path(folder) / file.name, cloud.extremes(), options)


@contextmanager
def parser_errors_as_point_file_errors(file: Path, wanted: str) -> Iterator[None]:
    """Re-raise any parser error as a one-line `PointFileError`, and mute the parser's warnings and logging."""
    try:
        with warnings.catch_warnings(), _muted_loggers():
            warnings.simplefilter("ignore")
            yield
    except (PointFileError, MissingPackageError):
        raise
    except Exception as error:  # parsers fail in all kinds of ways, and each means that the file is no such file
        reason = " ".join(str(error).split())[:200] or "nothing said"
        raise PointFileError(file, came=f"a file that cannot be read ({reason})", wanted=wanted) from error


@contextmanager
def _muted_loggers() -> Iterator[None]:
    """Mute the loggers of parsers for the length of the block; some log whole tracebacks."""
    loggers = [logging.getLogger(name) for name in _PARSERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
