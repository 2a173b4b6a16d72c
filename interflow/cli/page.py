"""A run as a page for a browser: in a file, or served while the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interflow.storage import RunFolder, open_run
from interflow.storage.run_folder import CONFIG
from interflow.views.page import write_page

PAGE = "page.html"


def write(run: Path, out: Path | None) -> Path:
    """Write the page of the run in a folder into a file; ``page.html`` in the folder by default."""
    return write_page(open_run(run), out or run / PAGE, **told(run))


def told(run: Path) -> dict[str, Any]:
    """What a folder says of its run beside its frames: the title, the summary and the config of a page."""
    summary, config = RunFolder(run).summary(), run / CONFIG
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return {"title": str(summary.get("name") or run.resolve().name), "summary": summary, "config": text}
