"""A run as a page for a browser: in a file, or served while the run goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from interflow.errors import ArgumentError
from interflow.storage import RunFolder, open_run
from interflow.storage.frames import read_manifest
from interflow.storage.run_folder import CONFIG
from interflow.views.page import served, write_page

PAGE = "page.html"


def show(run: Path, out: Path | None, *, html: bool, live: bool) -> None:
    """Do what the options of ``interflow show`` ask for."""
    if live and (html or out is not None):
        raise click.UsageError("--live serves the page and writes no file: leave --html and --out away.")
    if live:
        follow(run)
    else:
        click.echo(write(run, out))


def write(run: Path, out: Path | None) -> Path:
    """Write the page of the run in a folder into a file; ``page.html`` in the folder by default."""
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError("out", came=str(out), wanted="a name that ends in .html")
    return write_page(open_run(run), out or run / PAGE, **told(run))


def follow(run: Path) -> None:
    """Serve the page of a run that goes on, until Ctrl-C; it stays when the run has finished, to be looked at."""
    with served(run, told(run)["title"]) as address:
        click.echo(address)
        click.echo("Open this address in a browser on this machine. Ctrl-C ends it.", err=True)
        try:
            while not read_manifest(run).finished:
                time.sleep(1)
            click.echo("The run has finished. The page stays until Ctrl-C.", err=True)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            click.echo("\nEnded.", err=True)


def told(run: Path) -> dict[str, Any]:
    """What a folder says of its run beside its frames: the title, the summary and the config of a page."""
    summary, config = RunFolder(run).summary(), run / CONFIG
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return {"title": str(summary.get("name") or run.resolve().name), "summary": summary, "config": text}
