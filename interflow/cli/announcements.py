"""What the package logs while a verb runs, such as that it compiles, on the standard error stream."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class _Announcements(logging.Handler):
    """Writes above a progress bar instead of into it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def announced() -> Iterator[None]:
    """Show what the logger ``interflow`` says from INFO on, and leave the logger as it was."""
    logger, handler = logging.getLogger("interflow"), _Announcements()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
