"""The checksum of the table of a run: every checkpoint has that of the rows up to its step."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from interflow.errors import StorageError

REPORT = "report.csv"

_logger = logging.getLogger("interflow")


def digest(table: Path, step: int) -> str:
    """The SHA-256 digest of the head of a table and its rows up to a step; empty if there are none."""
    if not table.exists():
        return ""
    content = table.read_bytes()
    end = _line_before(content, len(content))
    while (start := _line_before(content, end - 1)) and _step(content[start:end]) > step:
        end = start
    return hashlib.sha256(content[:end]).hexdigest() if start else ""


def check_report(table: Path, step: int, wanted: str) -> None:
    """Raise `StorageError` if rows up to the step of a checkpoint are not as they were then; say if it is gone.

    Args:
        table: a CSV file, which need not be there.
        step: of the checkpoint.
        wanted: the digest that the checkpoint has.
    """
    if wanted and not table.exists():
        _logger.warning("%s: missing. It begins anew at step %d.", table, step)
    elif wanted and digest(table, step) != wanted:
        remedy = "Bring it back as it was, or remove it, and a new one begins where the run goes on."
        raise StorageError(f"{table}: damaged: its rows up to step {step} are not those of the run. {remedy}")


def _step(row: bytes) -> int:
    """The step of a row; before all others where it has none."""
    first = row.split(b",")[0]
    return int(first) if first.isdigit() else -1


def _line_before(content: bytes, end: int) -> int:
    """Where the line begins that goes on at ``end``: behind the last line break before."""
    return content.rfind(b"\n", 0, max(end, 0)) + 1
