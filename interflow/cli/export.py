"""``interflow export``: a run as files that other programs read."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def command(run: Path, file: Path) -> None:
    """Write the frames of the run in folder RUN to FILE, whose suffix tells the format.

    .npz for NumPy, .csv for the scalars of the frames, .xyz (extended XYZ), .ply (a file a frame), and .gsd for OVITO,
    which needs the package gsd.
    """
    from interflow.storage.export import export
    from interflow.storage.frames import open_run

    for written in export(open_run(run), file):
        click.echo(written)
