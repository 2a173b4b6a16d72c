"""``interflow fit``: a file of points, a scan or a photograph becomes fewer points that represent it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from interflow.cli.common import FAILED, default_folder, load_plugin, log_to_stderr
from interflow.config.document import Document, parse_assignment, read

EXAMPLES = """Examples:

\b
  interflow fit photo.jpg --points 20000
  interflow fit photo.jpg --points 20000 --set reading.ink=light
  interflow fit scan.ply --points 5000 --set descent.start=box --set descent.steps=100
  interflow fit samples.csv --source mine.csv
  interflow fit samples.csv --set "discrepancy={kind: sinkhorn, blur: 0.05}"

`interflow schema --fit` lists all fields. Bandwidths, step sizes and noise are in units of the target's root mean
square radius; what is written is in the file's own.
"""


@click.command(epilog=EXAMPLES)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--points", type=click.IntRange(min=1), help="How many points to fit; 1000 by default.")
@click.option("--source", type=click.Path(path_type=Path), help="A file with the points to move, in place of --points.")
@click.option("--frame", type=int, help="Which frame of an XYZ file of several, from 0; the last by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make; fits/NAME-TIME by default.")
@click.option("--config", type=click.Path(path_type=Path), help="A YAML file that says how.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field: descent.steps=200.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
@click.option("--quiet", is_flag=True, help="Print the path of the folder and nothing else.")
def command(
    target: Path,
    points: int | None,
    source: Path | None,
    frame: int | None,
    out: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    quiet: bool,
) -> None:
    """Fit points to the TARGET in a file: NPY, NPZ, CSV, XYZ, PLY, OBJ, STL, LAS/LAZ, PNG or JPEG.

    Of a mesh the surface is the target, and of an image the ink: more dots where it is dark. A fifth of the target is
    held out; it judges the fit, which never saw it, beside an independent sample of as many points.

    The folder holds fitted.EXT in the target's format, report.png and summary.json; of an image also fitted.svg.
    The report on a PNG is report.jpg, so that fitted.png is the only PNG there. What the format cannot hold is told
    before the work begins; if writing fails all the same, the points are kept in fitted.npy. The exit code is 1 then,
    and where the report alone cannot be drawn.
    """
    if points is not None and source is not None:
        raise click.UsageError("--source brings its own points: without --points.")
    document = Document({}) if config is None else read(config)
    changes = [parse_assignment(text) for text in assignments]
    changes += [parse_assignment(f"points={points}")] if points is not None else []
    changes += [parse_assignment(f"reading.frame={frame}")] if frame is not None else []
    from interflow.cli.fit_job import FitJob
    from interflow.config.fit_config import FitConfig
    from interflow.config.loading import apply_assignments
    from interflow.storage.files import check_free, give_name, new_folder, os_errors_as_storage_errors

    for plugin in plugins:
        load_plugin(plugin)
    fit_config, document = apply_assignments(FitConfig, document, changes)
    with document.located():
        job = FitJob(target, fit_config, source)
    if out is not None:
        check_free(out)
    wanted = out or default_folder("fits", target)
    with (
        new_folder(wanted) as folder,
        os_errors_as_storage_errors(wanted, "write the fit"),
        nullcontext() if quiet else log_to_stderr(),
    ):
        summary, whole = job.run(folder, quiet)
        named = give_name(folder, wanted, numbered=True)  # a fit is not thrown away for its name
    if named != wanted and out is not None:
        click.echo(f"{out} was taken while the fit went on: it is in {named}.", err=True)
    click.echo(named)
    if not quiet:
        click.echo("\n".join(job.lines(summary)))
    if summary["failure"]:
        raise click.ClickException(f"{summary['failure']} The fitted points are kept in {named / 'fitted.npy'}.")
    if not whole:
        raise click.exceptions.Exit(FAILED)
