"""Figures of a run, drawn from its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from matplotlib.figure import Figure

from interflow.boundaries import Boundary
from interflow.cli.common import FAILED, drawn
from interflow.config.document import parse
from interflow.config.loading import load_run_config
from interflow.energies import Energy
from interflow.errors import ArgumentError, ConfigError, InterflowError
from interflow.solution import Solution
from interflow.storage.frames import open_run
from interflow.storage.outputs import output_file
from interflow.storage.run_folder import CONFIG, RunFolder, stored_config
from interflow.views import boundary_curves, density, energy_curve, evolution, kernel_profiles, movie
from interflow.views.picture import POINTS

MOVIE = "movie.mp4"
FORMATS = (".png", ".svg", ".pdf")

Figures = dict[str, Callable[[], Figure]]
"""Functions that draw figures, by name."""


def write_pictures(run: Path, names: tuple[str, ...], colour: str | None, out: Path | None) -> Iterator[Path]:
    """Draw figures of the run in a folder, and yield the path of each file.

    One that cannot be drawn is told and costs no other; it makes the exit code 1.

    Args:
        run: the folder.
        names: of the pictures; all that apply to the run if there are none.
        colour: what the colours of particles show in the evolution; time by default.
        out: the file of a single picture; None for files in the folder, named after the pictures.
    """
    names = names or (("evolution",) if out else ())
    if out is not None and len(names) > 1:
        raise click.UsageError("--out is one file: ask for one --picture.")
    if colour is not None and names and "evolution" not in names:
        raise click.UsageError("--colour is for the evolution, where particles are dots.")
    folder, solution = RunFolder(run), open_run(run)
    title = str(folder.summary().get("name") or run.resolve().name)
    pictures: Figures = {
        "evolution": lambda: evolution(solution, colour=colour or "time", title=title),
        "energy": lambda: energy_curve(solution, title=title),
    }
    if "density" in names or (not names and solution.positions.shape[1] > POINTS):
        pictures["density"] = lambda: density(solution, title=title)
    if not names or {"kernel", "boundary"} & set(names):
        pictures |= _of_config(run, solution, title, asked=bool(names))
    whole = True
    for name in names or pictures:

        def write(name: str = name) -> None:
            figure = pictures[name]()
            if out is None:
                folder.write_picture(figure.savefig, name)
            else:
                save(figure, out)

        if drawn(write, f"No picture {name}", unless=InterflowError):
            yield out or run / f"{name}.png"
        else:
            whole = False
    if not whole:
        raise click.exceptions.Exit(FAILED)


def write_movie(run: Path, names: tuple[str, ...], colour: str | None, out: Path | None) -> Path:
    """Write the movie of the run in a folder; ``movie.mp4`` in the folder by default."""
    if len(names) > 1 or not {"evolution", "density"}.issuperset(names):
        raise click.UsageError("A movie is of one picture: --picture evolution or --picture density.")
    if out is not None and not os.path.isdir(out.parent):
        raise ArgumentError("out", came=f"{out}, in no folder that exists", wanted="a file that can be written")
    title = str(RunFolder(run).summary().get("name") or run.resolve().name)
    return movie(open_run(run), out or run / MOVIE, picture=names[0] if names else None, colour=colour, title=title)


def save(figure: Figure, file: Path) -> None:
    """Write a figure to a file that the user named."""
    if file.suffix.lower() not in FORMATS:
        raise ArgumentError("out", came=str(file), wanted=f"a name that ends in one of {', '.join(FORMATS)}")
    with output_file(file, "out") as unfinished:
        figure.savefig(unfinished)


def _of_config(run: Path, solution: Solution, title: str, *, asked: bool) -> Figures:
    """Return the figures that need a folder's config; without one print why, or raise if they were asked for."""
    if not (run / CONFIG).is_file():
        reason = f"{run} has no {CONFIG}, since its run was not started from a file"
        if asked:
            raise ArgumentError(
                "picture", came=f"kernel or boundary, but {reason}", wanted="evolution, energy or density"
            )
        click.echo(f"No picture of the kernel and the boundary: {reason}.", err=True)
        return {}
    try:
        boundary, energy = _physics(run)
    except (ArgumentError, ConfigError) as error:
        if asked:
            raise
        click.echo(f"No picture of the kernel and the boundary: {error}", err=True)
        return {}
    dimension, kernels = solution.positions.shape[-1], energy.kernels()
    pictures: Figures = {"boundary": lambda: boundary_curves(boundary, dimension=dimension, title=title)}
    if kernels:
        profiles: Figures = {
            "kernel": lambda: kernel_profiles(*kernels, boundary=boundary, dimension=dimension, title=title)
        }
        return profiles | pictures
    reason = f"{energy.describe()} has no kernel"
    if asked:
        pictures["kernel"] = lambda: _refuse(reason)
    else:
        click.echo(f"No picture of the kernel: {reason}.", err=True)
    return pictures


def _refuse(reason: str) -> Figure:
    raise ArgumentError("picture", came=f"kernel, but {reason}", wanted="another picture")


def _physics(run: Path) -> tuple[Boundary, Energy]:
    """Build the boundary and the energy of a stored config on the CPU."""
    text = stored_config(run)
    config, document = load_run_config(parse(text, str(run / CONFIG)), [])
    system = config.system.model_copy(update={"device": "cpu"})
    with document.located():
        context = system.context()
        return context.boundary, system.energy.build(context.at("energy"))
