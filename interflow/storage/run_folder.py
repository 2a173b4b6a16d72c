"""The folder of one run: its config, its frames, a summary and a picture.

``config.yaml``     the config with every field filled in, itself runnable
``frames.npz``      positions (frames, N, d), times, steps and energies (frames,), weights (N,)
``summary.json``    how it went; written last, so that a folder with a summary is complete
``evolution.png``   what it looks like
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from interflow.errors import ArgumentError

CONFIG, FRAMES, SUMMARY, PICTURE = "config.yaml", "frames.npz", "summary.json", "evolution.png"


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a run as arrays.

    Args:
        positions: ``(frames, N, d)``.
        times: ``(frames,)``.
        steps: ``(frames,)``, steps made before each frame.
        energies: ``(frames,)``.
        weights: ``(N,)``.
    """

    positions: NDArray[np.floating[Any]]
    times: NDArray[np.floating[Any]]
    steps: NDArray[np.integer[Any]]
    energies: NDArray[np.floating[Any]]
    weights: NDArray[np.floating[Any]]


NAMES = tuple(field.name for field in fields(Frames))


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. Each file appears whole or not at all.

    Args:
        path: of the folder.
    """

    path: Path

    @classmethod
    @contextmanager
    def new(cls, path: Path) -> Iterator[RunFolder]:
        """A folder that was not there before; an error in the block takes it away again.

        Raises:
            ArgumentError: if there is something at the path already, or the folder cannot be made.
        """
        try:
            path.mkdir(parents=True)
        except OSError as error:
            reason = "a path that exists" if isinstance(error, FileExistsError) else str(error.strerror)
            remedy = "Name a new folder, or move this one away."
            raise ArgumentError("out", came=f"{path}, {reason.lower()}", wanted="a new folder", remedy=remedy) from None
        folder = cls(path)
        try:
            yield folder
        except BaseException:
            folder._remove()
            raise

    def write_config(self, text: str) -> None:
        """Keep the config as YAML text."""
        self._write(CONFIG, lambda stream: stream.write(text.encode()))

    def write_frames(self, frames: Frames) -> None:
        """Keep the frames."""
        arrays = {name: getattr(frames, name) for name in NAMES}
        self._write(FRAMES, lambda stream: np.savez(stream, **arrays))

    def write_picture(self, save: Callable[[IO[bytes]], object]) -> None:
        """Keep the picture that a function writes to a stream, as PNG."""
        self._write(PICTURE, save)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Keep how it went, which makes the folder complete."""
        text = json.dumps(summary, indent=2, default=str) + "\n"
        self._write(SUMMARY, lambda stream: stream.write(text.encode()))

    def frames(self) -> Frames:
        """Read the frames; nothing in the file is executed.

        Raises:
            ArgumentError: if this is no complete run folder.
        """
        file = self._existing(FRAMES)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return Frames(**{name: arrays[name] for name in NAMES})
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise self._unreadable(FRAMES, str(error)) from None

    def summary(self) -> dict[str, Any]:
        """Read how it went.

        Raises:
            ArgumentError: if this is no complete run folder.
        """
        file = self._existing(SUMMARY)
        try:
            summary = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise self._unreadable(SUMMARY, str(error)) from None
        return summary if isinstance(summary, dict) else {}

    def _existing(self, name: str) -> Path:
        file = self.path / name
        if not file.is_file():
            raise self._unreadable(name, "no such file")
        return file

    def _unreadable(self, name: str, reason: str) -> ArgumentError:
        wanted = "the folder of a run that finished, as `interflow run` writes it"
        return ArgumentError("run", came=f"{self.path} ({name}: {reason})", wanted=wanted)

    def _write(self, name: str, save: Callable[[IO[bytes]], object]) -> None:
        temporary = self.path / f".{name}.{os.getpid()}"
        try:
            with open(temporary, "wb") as stream:
                save(stream)
            temporary.replace(self.path / name)
        finally:
            temporary.unlink(missing_ok=True)

    def _remove(self) -> None:
        for file in self.path.iterdir():
            file.unlink()
        self.path.rmdir()
