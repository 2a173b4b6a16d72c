"""What a format of point files is."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal, final

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points.cloud import PointCloud
from interflow.validation import check_choice

_PARSERS = ("PIL", "laspy", "plyfile", "trimesh")

LARGEST_FILE = 4 * 2**30
"""Bytes of a file, and of all that is packed in it."""


@final
@dataclass(frozen=True)
class Reading:
    """How files are read that hold no points as such, images and surfaces, or points several times.

    Args:
        ink: which pixels of an image carry mass: the ``"dark"`` ones, ``1 − I^γ``, or the ``"light"`` ones, ``I^γ``,
            with the brightness I between 0 and 1.
        gamma: γ, from stored brightness to light; 2.2 is about that of sRGB, and 1 takes brightness as it is stored.
        pixels: an image of more is reduced to at most as many; positions stay those in the file's own pixels.
        samples: points drawn on a surface.
        seed: of that draw.
        frame: which one of a file of several, from 0, or from the end: −1 is the last.

    Example:
        >>> Reading(ink="light").gamma
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
    def load(self, file: Path, reading: Reading) -> PointCloud:
        """The points in a file; `read_points` checks what comes."""

    @abstractmethod
    def save(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        """Write points to a file, which may be there already."""

    def check(self, file: Path, cloud: PointCloud, reading: Reading) -> None:
        """Refuse what could not be written, by writing a few points of it where nobody sees them."""
        with TemporaryDirectory() as folder:
            self.save(Path(folder) / file.name, cloud.extremes(), reading)


@contextmanager
def foreign(file: Path, wanted: str) -> Iterator[None]:
    """Turn whatever another library raises at a damaged file into one line, and keep what else it says to itself."""
    try:
        with warnings.catch_warnings(), _silent():
            warnings.simplefilter("ignore")
            yield
    except PointFileError:
        raise
    except Exception as error:  # parsers fail in all kinds of ways, and each means that the file is no such file
        reason = " ".join(str(error).split())[:200] or "nothing said"
        raise PointFileError(file, came=f"a file that cannot be read ({reason})", wanted=wanted) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Keep parsers from logging, some of them whole tracebacks, what is raised as one line; then let them log again."""
    loggers = [logging.getLogger(name) for name in _PARSERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
