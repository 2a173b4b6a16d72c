"""Files and folders that appear whole or not at all, in folders that nothing leads out of.

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

UNFINISHED = ".new"
"""Ends the name of a file that is being written."""
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors that another path on the disk would not spare; others are of the path."""
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def replace_file(
    file: Path, save: Callable[[IO[bytes]], object], *, keep_old_as: Path | None = None, settle: bool = True
) -> None:
    """Write a file in a folder that only this process writes to, or leave the old one as it is.

    Args:
        file: its path.
        save: writes the content to a stream.
        keep_old_as: another name that the old file is to have.
        settle: wait until the new name lasts; otherwise a loss of power may bring the old file back.
    """
    unfinished = file.with_name(f".{file.name}{UNFINISHED}")
    try:
        with open(unfinished, "wb") as stream:
            save(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if keep_old_as is not None and file.exists():
            _rename_also(file, keep_old_as)
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if settle:
        flush(file.parent)


def _rename_also(file: Path, name: Path) -> None:
    """Give a file another name beside its own, so that it is never without one; where there are no links, instead."""
    link = name.with_name(f".{name.name}{UNFINISHED}")
    link.unlink(missing_ok=True)
    try:
        os.link(file, link)
    except OSError:
        link = file
    link.replace(name)


def hidden(path: Path, suffix: str = "") -> Path:
    """A path beside another, for what is unfinished, that no other process takes."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}{suffix}")


@contextmanager
def new_file(file: Path, suffix: str = "") -> Iterator[Path]:
    """A path to write to, which becomes the file when the block ends well, and is removed when it does not.

    Args:
        file: its path.
        suffix: of the path until then, by which libraries know a format.
    """
    unfinished = hidden(file, suffix)
    try:
        unfinished.touch()
        yield unfinished
        flush(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to fill and then to give its name, beside that; removed with the block if it has got none.

    Raises:
        ArgumentError: if it cannot be made where the path is.
        StorageError: if the disk takes nothing.
    """
    unnamed = hidden(path)
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
    """Rename a folder to a path, of which one process alone gets each.

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
def told(folder: Path, doing: str, remedy: str = "") -> Iterator[None]:
    """Turn what the system refuses, such as to write on a full disk, into one line."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{folder}: cannot {doing}: {_reason(error)}. {remedy}".rstrip()) from error


@contextmanager
def usable(path: Path, argument: str, doing: str, wanted: str) -> Iterator[None]:
    """Turn what is wrong with a path that the user named into an `ArgumentError`, and a full disk into one line."""
    try:
        with told(path, doing):
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
    """A folder that no other process writes to.

    Args:
        descriptor: of the folder, whatever its name is by now.
    """

    descriptor: int

    def holds(self, path: Path) -> bool:
        """Whether the folder at a path is still that one."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.descriptor))
        except OSError:
            return False


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Keep other processes from writing to a folder; the lock ends with the block, and with the process.

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
