"""Where a verb puts what it makes if it is not told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


def default_folder(parent: str, source: Path) -> Path:
    """A folder named after a file and the time; of several in one second the later ones are numbered."""
    return Path(parent) / f"{source.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
