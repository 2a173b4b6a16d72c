"""``interflow run``: a config becomes a folder, and a run that was broken off goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interflow.cli.common import (
    FAILED,
    StopRequest,
    default_folder,
    drawn,
    load_plugin,
    log_to_stderr,
    stop_requests,
    versions,
)
from interflow.config.document import MAX_STORED_BYTES, Document, parse, parse_assignment, read
from interflow.errors import ArgumentError, NonFiniteError, RunStoppedError

if TYPE_CHECKING:
    from interflow.config.run_config import Run, RunConfig
    from interflow.reporters import CsvReport, Observable
    from interflow.solution import Solution
    from interflow.state import State
    from interflow.storage.run_folder import RunFolder
    from interflow.system import ParticleSystem

TIME_LIMIT_REACHED = 124
SIGNALLED = 128
PICTURE = "evolution.png"
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = r"(\d+(?:\.\d+)?)([dhms])"


def duration(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Parse a time: a number of seconds, or parts with units, such as ``1h30m``."""
    if text is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(f"({_PART})+", text):
        raise click.BadParameter(f"got {text!r}, wanted a time such as 90s, 45m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


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
        job = resumed_run(resume, plugins)
    elif config is not None:
        job = new_run(config, out, overwrite=overwrite, assignments=assignments, plugins=plugins)
    else:
        raise click.UsageError("Missing CONFIG, a YAML file, or --resume with the folder of a run to go on with.")
    with nullcontext() if quiet else log_to_stderr(), stop_requests() as request:
        _run(job, request, time_limit, quiet)


def _run(job: Job, request: StopRequest, time_limit: float | None, quiet: bool) -> None:
    """Simulate a job, write its results, and print a summary."""
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
    """Write missing summary and figure of a run; return whether the figure is there."""
    folder = job.folder
    if not folder.summary():
        folder.write_summary(summary)
    if (folder.path / PICTURE).exists():
        return True

    def write() -> None:
        from interflow.views.evolutions import evolution

        folder.write_picture(evolution(solution, title=str(summary.get("name", ""))).savefig)

    return drawn(write, f"The run is whole, but its picture is not drawn (interflow show {folder.path} tries again)")


@dataclass(frozen=True)
class Job:
    """A run that is ready to start.

    Args:
        name: of the run, for pictures.
        system: what runs.
        observables: what is kept with each frame.
        run: how long.
        folder: where it is kept.
        resume: whether it goes on with what is there.
    """

    name: str
    system: ParticleSystem
    observables: dict[str, Observable]
    run: Run
    folder: RunFolder
    resume: bool

    def reports(self) -> list[Callable[[State], object]]:
        """Return the callbacks that write report.csv, if the config asks for it; the table is made at its first row."""
        from interflow.reporters import CsvReport, EnergyOf
        from interflow.storage.run_folder import REPORT

        if self.run.report_every is None:
            return []
        observed = {"energy": EnergyOf(self.system.energy), **self.observables}
        every = self.run.report_every

        @cache
        def table() -> CsvReport:
            return CsvReport(self.folder.path / REPORT, observed, every, resume=True)

        return [lambda state: table()(state)]


def new_run(
    config: Path, out: Path | None, *, overwrite: bool, assignments: Iterable[str], plugins: Iterable[str]
) -> Job:
    """Return the job of a config file, in a folder that is made when it starts."""
    document = read(config)  # what cannot be read at all is said before anything that takes time is imported
    changes = [parse_assignment(text) for text in assignments]
    for plugin in plugins:
        load_plugin(plugin)
    from interflow.config.loading import dump, load_run_config
    from interflow.reporters import EverySeconds
    from interflow.storage.run_folder import RunFolder

    run_config, document = load_run_config(document, changes)
    due, text = EverySeconds(run_config.run.checkpoint_every), dump(run_config)
    path = out or default_folder("runs", config)
    folder = RunFolder(path, checkpoint_every=due, overwrite=overwrite, numbered=out is None, config=text)
    return _job(config.stem, run_config, document, folder, resume=False)


def resumed_run(path: Path, plugins: Iterable[str]) -> Job:
    """Return the job that resumes the run in a folder, from its stored config."""
    from interflow.config.loading import load_run_config
    from interflow.reporters import EverySeconds
    from interflow.storage.run_folder import RunFolder, stored_config

    for plugin in plugins:
        load_plugin(plugin)
    text = stored_config(path)
    run_config, document = load_run_config(parse(text, str(path / "config.yaml"), MAX_STORED_BYTES), [])
    folder = RunFolder(path, checkpoint_every=EverySeconds(run_config.run.checkpoint_every), config=text)
    return _job(path.resolve().name, run_config, document, folder, resume=True)


def _job(name: str, config: RunConfig, document: Document, folder: RunFolder, *, resume: bool) -> Job:
    with document.located():
        system = config.build()
        return Job(name, system, config.observe(system), config.run, folder, resume)


def summarise(name: str, system: ParticleSystem, solution: Solution) -> dict[str, Any]:
    """Return the summary of a run: sizes, device, times, backends, and the energies of the frames."""
    count, dimension = system.positions.shape
    return {
        "name": name,
        "particles": count,
        "dimension": dimension,
        "dtype": str(system.positions.dtype).removeprefix("torch."),
        "device": str(system.positions.device),
        **solution.stats,
        "energies": _finite(solution.energies.tolist()),
        "versions": versions(),
    }


def check(summary: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` unless a stored summary has the entries of a headline."""
    told = ("particles", "steps", "seconds", "steps_per_second", "energies", "sums")
    if missing := [name for name in told if name not in summary or (name == "energies" and not summary[name])]:
        remedy = "Move it away: `interflow run --resume` writes it anew."
        raise ArgumentError("run", came=f"a summary.json without `{missing[0]}`", wanted="all of it", remedy=remedy)


def headline(summary: Mapping[str, Any]) -> str:
    """Return the summary in one line."""
    energies = summary["energies"]
    before = summary.get("steps_before", 0)
    resumed = f", {summary['steps'] - before} of them since it was resumed," if before else ""
    return (
        f"{summary['particles']:,} particles, {summary['steps']} steps{resumed} in {summary['seconds']:.3g} s "
        f"({summary['steps_per_second']:.3g} steps/s), "
        f"energy {_shown(energies[0])} → {_shown(energies[-1])}"
    )


def backends(summary: Mapping[str, Any]) -> list[str]:
    """Return a line for each backend that summed pairs, and how many sums it carried out."""
    return [f"{sums['count']} sums on the backend {sums['backend']}" for sums in summary["sums"]]


def _finite(values: list[float]) -> list[float | None]:
    """Return numbers with None for those that JSON cannot hold."""
    return [value if math.isfinite(value) else None for value in values]


def _shown(energy: float | None) -> str:
    return "not finite" if energy is None else f"{energy:.6g}"
