"""``interflow show``: a run as pictures, as a movie, or as a page for a browser."""

from __future__ import annotations

from pathlib import Path

import click

PICTURES = ("evolution", "energy", "density", "kernel", "boundary")
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
        from interflow.cli.page import show

        show(run, out, html=html, live=live)
        return
    from interflow.cli.plugins import load_plugin

    for plugin in plugins:
        load_plugin(plugin)
    from interflow.cli.pictures import write_movie, write_pictures

    if movie:
        click.echo(write_movie(run, pictures, colour, out))
        return
    for file in write_pictures(run, pictures, colour, out):
        click.echo(file)
