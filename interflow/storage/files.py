"""Atomic writes of files and folders, locks on folders, and translation of operating system errors.

A file is written under another name in the same folder, flushed to the disk, and renamed, which replaces the old one in
one step; then the folder is flushed, which makes the new name last (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from interflow.errors import ArgumentError, StorageError

TEMPORARY_SUFFIX = ".new"
"""Suffix of the name of a file that is being written."""
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Error numbers of a disk that is full, broken or read-only; all others concern the path."""
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def atomic_write(
    file: Path, save: Callable[[IO[bytes]], object], *, backup: Path | None = None, durable: bool = True
) -> None:
    """Replace a file at once; if writing fails, the old file stays. Only this process may write to its folder.

    Args:
        file: its path.
        save: writes the content to a stream.
        keep_old_as: another name that the old file is to have.
        settle: wait until the new name lasts; otherwise a loss of power may bring the old file back.
    """
    unfinished = file.with_name(f".{file.name}{TEMPORARY_SUFFIX}")
    try:
        with open(unfinished, "wb") as stream:
            save(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if backup is not None and file.exists():
            _rename_also(file, backup)
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        flush(file.parent)


def _rename_also(file: Path, name: Path) -> None:
    """Add a second name to a file by a link; without links on the file system, rename it."""
    link = name.with_name(f".{name.name}{TEMPORARY_SUFFIX}")
    link.unlink(missing_ok=True)
    try:
        os.link(file, link)
    except OSError:
        link = file
    link.replace(name)


def temporary_path(path: Path, suffix: str = "") -> Path:
    """Return an unused path beside another, for an unfinished file or folder."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}{suffix}")


@contextmanager
def new_file(file: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path that is renamed to the file when the block succeeds, and removed when it fails.

    Args:
        file: its path.
        suffix: of the path until then, by which libraries know a format.
    """
    unfinished = temporary_path(file, suffix)
    try:
        unfinished.touch()
        yield unfinished
        flush(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, which `give_name` renames; without that it is removed at the end of the block.

    Raises:
        ArgumentError: if it cannot be made where the path is.
        StorageError: if the disk takes nothing.
    """
    unnamed = temporary_path(path)
    with usable(path, "out", "make the folder", "a folder that can be made"):
        path.parent.mkdir(parents=True, exist_ok=True)
        unnamed.mkdir()
    try:
        yield unnamed
    finally:
        shutil.rmtree(unnamed, ignore_errors=True)


def check_free(path: Path) -> None:
    """Raise `ArgumentError` if there is anything at a path, a dangling link too."""
    if os.path.lexists(path):
        remedy = "Name another one; where it holds a run, --resume goes on with that and --overwrite deletes it."
        came = f"{path}, a path that exists"
        raise ArgumentError("out", came=came, wanted="a path where nothing is yet", remedy=remedy)


def give_name(folder: Path, path: Path, *, numbered: bool = False) -> Path:
    """Rename a folder to an unused path; of several processes one gets each path.

    Args:
        folder: beside the path.
        path: where nothing is yet.
        numbered: take the first of ``path``, ``path-2``, ``path-3``, … where nothing is.

    Raises:
        ArgumentError: if something is at the path.
    """
    candidate, number = path, 1
    while True:
        if numbered:
            while os.path.lexists(candidate):
                number += 1
                candidate = path.with_name(f"{path.name}-{number}")
        else:
            check_free(path)  # a folder that is empty would be replaced
        try:
            folder.rename(candidate)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            flush(candidate.parent)
            return candidate


def flush(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def os_errors_as_storage_errors(folder: Path, doing: str, remedy: str = "") -> Iterator[None]:
    """Re-raise any `OSError` in the block as a one-line `StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{folder}: cannot {doing}: {_reason(error)}. {remedy}".rstrip()) from error


@contextmanager
def usable(path: Path, argument: str, doing: str, wanted: str) -> Iterator[None]:
    """Re-raise an `OSError` about a path as an `ArgumentError`, and one about the disk as a `StorageError`."""
    try:
        with os_errors_as_storage_errors(path, doing):
            yield
    except StorageError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno in OF_THE_DISK:
            raise
        raise ArgumentError(argument, came=f"{path}, {_reason(cause)}", wanted=wanted) from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).strip().splitlines()[-1].lower()


@dataclass(frozen=True)
class Lock:
    """A lock on a folder, which keeps other processes from writing to it.

    Args:
        descriptor: of the folder, whatever its name is by now.
    """

    descriptor: int

    def holds(self, path: Path) -> bool:
        """Whether the folder at a path is still the locked one."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.descriptor))
        except OSError:
            return False


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Lock a folder until the block or the process ends.

    Raises:
        StorageError: if another process writes to it, or has just put another folder in its place.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise StorageError(f"{folder}: another process is writing to it. Wait for it, or end it.") from None
            # some network file systems have no locks, and runs on them go without
        lock = Lock(descriptor)
        if not lock.holds(folder):  # it was deleted while this process waited its turn
            raise StorageError(f"{folder}: another process has replaced it. Wait for it, or end it.")
        yield lock
    finally:
        os.close(descriptor)


def check_no_links(folder: Path) -> None:
    """Raise `StorageError` if anything in a folder is a symbolic link, which could lead out of it."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink():
                raise StorageError(f"{path}: a symbolic link. A run folder has none; remove it.")
