"""``interflow run``: a config becomes a folder."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interflow.config.assignments import parse_assignment
from interflow.config.document import read

if TYPE_CHECKING:
    from interflow.solution import Solution
    from interflow.storage import RunFolder


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make; runs/NAME-TIME by default.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field: run.steps=100.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
@click.option("--quiet", is_flag=True, help="Print the path of the folder and nothing else.")
def command(
    config: Path, out: Path | None, assignments: tuple[str, ...], plugins: tuple[str, ...], quiet: bool
) -> None:
    """Run the YAML file CONFIG and keep config, frames, summary and picture in a new folder."""
    document = read(config)  # what cannot be read at all is said before anything that takes time is imported
    changes = [parse_assignment(text) for text in assignments]
    from interflow.cli.announcements import announced
    from interflow.cli.plugins import load_plugin
    from interflow.cli.summary import backends, headline, summarise
    from interflow.config.loading import configure, dump
    from interflow.storage import RunFolder

    for plugin in plugins:
        load_plugin(plugin)
    run_config, document = configure(document, changes)
    with document.located():
        system = run_config.build()
    with RunFolder.new(out or _default_folder(config)) as folder, nullcontext() if quiet else announced():
        folder.write_config(dump(run_config))
        run = run_config.run
        solution = system.simulate(run.steps, save_every=run.save_every, progress=False if quiet else None)
        summary = summarise(config.stem, system, solution)
        _keep(folder, solution, summary)
    click.echo(folder.path)
    if not quiet:
        click.echo("\n".join([headline(summary), *backends(summary)]))


def _default_folder(config: Path) -> Path:
    """A folder for now, numbered where several runs begin in one second."""
    base = Path("runs") / f"{config.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    candidates = (base.with_name(f"{base.name}-{number}") for number in range(2, 1000))
    return base if not base.exists() else next(path for path in candidates if not path.exists())


def _keep(folder: RunFolder, solution: Solution, summary: dict[str, Any]) -> None:
    from interflow.cli.picture import draw
    from interflow.storage import Frames
    from interflow.storage.run_folder import NAMES

    frames = Frames(**{name: getattr(solution, name).detach().cpu().numpy() for name in NAMES})
    folder.write_frames(frames)
    folder.write_picture(draw(frames, summary).savefig)
    folder.write_summary(summary)
