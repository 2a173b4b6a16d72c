"""``interflow show``: a run as pictures, as a movie, or as a page for a browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from interflow.cli.common import load_plugin
from interflow.errors import ArgumentError

PICTURES = ("evolution", "energy", "density", "kernel", "boundary")
PAGE = "page.html"
COLOURS = ("time", "density", "speed", "start", "weight")


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--picture",
    "pictures",
    multiple=True,
    type=click.Choice(PICTURES),
    help="Draw this one; all that apply by default.",
)
@click.option("--colour", type=click.Choice(COLOURS), help="What the colour of a particle shows; time by default.")
@click.option("--movie", is_flag=True, help="Write a movie instead; --out ends in .mp4 or .gif.")
@click.option("--html", is_flag=True, help="Write a page instead, to be scrubbed through in any browser.")
@click.option("--live", is_flag=True, help="Serve that page to this machine while the run goes on.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File; in the run's folder by default.")
def command(
    run: Path,
    pictures: tuple[str, ...],
    colour: str | None,
    movie: bool,
    html: bool,
    live: bool,
    plugins: tuple[str, ...],
    out: Path | None,
) -> None:
    """Draw the run in folder RUN.

    Pictures are evolution.png, the cloud at a few times; energy.png, with all scalars of the run; density.png for
    clouds too large for dots; kernel.png, its profiles and forces; boundary.png, what the domain does. With --out and
    no --picture, the evolution alone. --out for a picture ends in .png, .svg or .pdf.
    """
    if html or live:
        if movie or pictures or colour:
            raise click.UsageError("--html and --live make a page: leave --movie, --picture and --colour away.")
        _show_page(run, out, html=html, live=live)
        return
    for plugin in plugins:
        load_plugin(plugin)
    from interflow.cli.pictures import write_movie, write_pictures

    if movie:
        click.echo(write_movie(run, pictures, colour, out))
        return
    for file in write_pictures(run, pictures, colour, out):
        click.echo(file)


def _show_page(run: Path, out: Path | None, *, html: bool, live: bool) -> None:
    """Write a run as a page, or serve it."""
    if live and (html or out is not None):
        raise click.UsageError("--live serves the page and writes no file: leave --html and --out away.")
    if live:
        _follow(run)
    else:
        click.echo(_write_page(run, out))


def _write_page(run: Path, out: Path | None) -> Path:
    """Write the page of a run to a file, by default ``page.html`` in its folder."""
    from interflow.storage.frames import open_run
    from interflow.views.page import write_page

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError("out", came=str(out), wanted="a name that ends in .html")
    return write_page(open_run(run), out or run / PAGE, **page_metadata(run))


def _follow(run: Path) -> None:
    """Serve the page of a run that goes on, until Ctrl-C; it stays when the run has finished, to be looked at."""
    from interflow.storage.frames import read_manifest
    from interflow.views.page import serve_page

    with serve_page(run, page_metadata(run)["title"]) as address:
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


def page_metadata(run: Path) -> dict[str, Any]:
    """Return title, summary and config of the run in a folder, as a page shows them."""
    from interflow.storage.run_folder import CONFIG, RunFolder

    summary, config = RunFolder(run).summary(), run / CONFIG
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return {"title": str(summary.get("name") or run.resolve().name), "summary": summary, "config": text}
