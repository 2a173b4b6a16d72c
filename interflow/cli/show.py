"""``interflow show``: the picture of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="PNG file; in the run's folder by default."
)
def command(run: Path, out: Path | None) -> None:
    """Draw the picture of the run in folder RUN: the cloud at a few times, and its energy."""
    from interflow.cli.picture import draw
    from interflow.storage import RunFolder

    folder = RunFolder(run)
    figure = draw(folder.frames(), folder.summary())
    if out is None:
        folder.write_picture(figure.savefig)
    else:
        figure.savefig(out, format="png")
    click.echo(out or run / "evolution.png")
