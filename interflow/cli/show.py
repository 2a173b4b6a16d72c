"""``interflow show``: the picture of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="PNG file; in the run's folder by default."
)
@click.option("--html", is_flag=True, help="Write a page instead, to be scrubbed through in any browser.")
@click.option("--live", is_flag=True, help="Serve that page to this machine while the run goes on.")
def command(run: Path, out: Path | None, html: bool, live: bool) -> None:
    """Draw the picture of the run in folder RUN: the cloud at a few times, and its energy."""
    if html or live:
        from interflow.cli.page import show

        show(run, out, html=html, live=live)
        return
    from interflow.cli.picture import draw
    from interflow.storage import RunFolder, open_run

    folder = RunFolder(run)
    figure = draw(open_run(run), folder.summary())
    if out is None:
        folder.write_picture(figure.savefig)
    else:
        _save(figure, out)
    click.echo(out or run / "evolution.png")


def _save(figure: Figure, file: Path) -> None:
    from interflow.errors import ArgumentError

    try:
        figure.savefig(file, format="png")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ArgumentError("out", came=f"{file}, {reason}", wanted="a file that can be written") from None
