"""Files that appear whole or not at all, in folders that nothing leads out of.

A file is written under another name in the same folder, flushed to the disk, and renamed, which replaces the old one in
one step; then the folder is flushed, which makes the new name last (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from interflow.errors import StorageError

UNFINISHED = ".new"
"""Ends the name of a file that is being written."""


def replace_file(
    file: Path, save: Callable[[IO[bytes]], object], *, keep_old_as: Path | None = None, settle: bool = True
) -> None:
    """Write a file, or leave the old one as it is.

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
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        raise StorageError(f"{folder}: cannot {doing}: {reason}. {remedy}".rstrip()) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder; the lock ends with the block, and with the process.

    Raises:
        StorageError: if another process writes to it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise StorageError(f"{folder}: another process is writing to it. Wait for it, or end it.") from None
            # some network file systems have no locks, and runs on them go without
        yield
    finally:
        os.close(descriptor)


def check_no_links(folder: Path) -> None:
    """Raise `StorageError` if anything in a folder is a symbolic link, which could lead out of it."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink():
                raise StorageError(f"{path}: a symbolic link. A run folder has none; remove it.")
