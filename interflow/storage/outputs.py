"""Output files of the user: written atomically, and never over the files of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from interflow.errors import ArgumentError
from interflow.storage.checkpoint import LAST, PREVIOUS
from interflow.storage.files import new_file, os_errors_as_storage_errors, usable
from interflow.storage.frames import FOLDER
from interflow.storage.manifest import MANIFEST
from interflow.storage.run_folder import CONFIG, REPORT, SUMMARY

OF_A_RUN = (MANIFEST, CONFIG, REPORT, SUMMARY, LAST, PREVIOUS, FOLDER)
"""Names in a run folder that no picture and no export may replace."""


@contextmanager
def output_file(file: Path, argument: str = "file") -> Iterator[Path]:
    """Yield a temporary path that becomes the file when the block succeeds; the target of a link is replaced.

    Args:
        file: its path.
        argument: what named it.

    Raises:
        ArgumentError: if it cannot be made, is no regular file, or belongs to a run.
        StorageError: if it cannot be written to its end, such as on a full disk.
    """
    path, wanted = Path(os.path.realpath(file)), "a file that can be written"
    for folder in path.parents:
        if path.relative_to(folder).parts[0] in OF_A_RUN and os.path.isfile(folder / MANIFEST):
            raise ArgumentError(argument, came=f"{file}, a part of the run in {folder}", wanted="another file")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ArgumentError(argument, came=f"{file}, which is no regular file", wanted=wanted)
    with os_errors_as_storage_errors(file, "write it"), ExitStack() as stack:
        with usable(file, argument, "write it", wanted):
            unfinished = stack.enter_context(new_file(path, file.suffix))
        yield unfinished
