"""``interflow run``: a config becomes a folder, and a run that was broken off goes on."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interflow.cli.drawing import FAILED, drawn
from interflow.cli.durations import duration
from interflow.cli.jobs import Job, begun, resumed

if TYPE_CHECKING:
    from interflow.cli.signals import StopRequest
    from interflow.solution import Solution

TIME_LIMIT_REACHED = 124
SIGNALLED = 128
PICTURE = "evolution.png"


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make; runs/NAME-TIME by default.")
@click.option("--overwrite", is_flag=True, help="Delete the run that is in the folder --out already.")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="DIR", help="Go on with the run in DIR, in place of CONFIG."
)
@click.option("--time-limit", metavar="TIME", callback=duration, help="Save and stop after a time: 90s, 45m, 1h30m.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field: run.steps=100.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
@click.option("--quiet", is_flag=True, help="Print the path of the folder and nothing else.")
def command(
    config: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    time_limit: float | None,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    quiet: bool,
) -> None:
    """Run the YAML file CONFIG and keep config, frames, summary and picture in a new folder.

    The run is saved while it goes on. One that was broken off, by Ctrl-C, by SIGTERM, by the time limit or by a
    crash, goes on with --resume, and ends as if it had never been broken off, bit for bit.

    Exit codes: 0 done, 1 failure, of the picture alone too, 2 bad input; saved and stopped: 124 by the time limit, 130
    by Ctrl-C, 143 by SIGTERM.
    """
    if resume is not None and (config or out or overwrite or assignments):
        raise click.UsageError("--resume goes on with a run as it began: without CONFIG, --out, --overwrite and --set.")
    if resume is not None:
        job = resumed(resume, plugins)
    elif config is not None:
        job = begun(config, out, overwrite=overwrite, assignments=assignments, plugins=plugins)
    else:
        raise click.UsageError("Missing CONFIG, a YAML file, or --resume with the folder of a run to go on with.")
    from interflow.cli.announcements import announced
    from interflow.cli.signals import stop_requests

    with nullcontext() if quiet else announced(), stop_requests() as request:
        _run(job, request, time_limit, quiet)


def _run(job: Job, request: StopRequest, time_limit: float | None, quiet: bool) -> None:
    """Simulate, keep, and say how it went."""
    from interflow.cli.summary import backends, check, headline, summarise
    from interflow.errors import NonFiniteError, RunStoppedError
    from interflow.reporters import EverySeconds, StopWhen

    stops = [StopWhen(lambda state: bool(request), "a signal asked for it")]
    if time_limit is not None:
        stops.append(StopWhen(EverySeconds(time_limit), "the time limit is reached"))
    try:
        solution = job.system.simulate(
            job.run.steps,
            save_every=job.run.save_every,
            callbacks=[*job.reports(), *stops],
            progress=False if quiet else None,
            observables=job.observables,
            out=job.folder,
            resume=job.resume,
        )
    except RunStoppedError as stop:
        click.echo(f"{stop} Go on with: interflow run --resume {job.folder.path}", err=True)
        number = request.received
        raise SystemExit(TIME_LIMIT_REACHED if number is None else SIGNALLED + number) from None
    except NonFiniteError as error:
        raise click.ClickException(f"{error} {job.folder.path} keeps it, and the frames before.") from error
    summary = job.folder.summary() or summarise(job.name, job.system, solution)
    check(summary)
    whole = _keep(job, solution, summary)
    click.echo(job.folder.path)
    if not quiet:
        click.echo("\n".join([headline(summary), *backends(summary)]))
    if not whole:
        raise click.exceptions.Exit(FAILED)


def _keep(job: Job, solution: Solution, summary: dict[str, object]) -> bool:
    """Write the summary and then the picture of a run that has none yet; whether the picture is there."""
    folder = job.folder
    if not folder.summary():
        folder.write_summary(summary)
    if (folder.path / PICTURE).exists():
        return True

    def write() -> None:
        from interflow.cli.pictures import draw

        folder.write_picture(draw(solution, summary).savefig)

    return drawn(write, f"The run is whole, but its picture is not drawn (interflow show {folder.path} tries again)")
