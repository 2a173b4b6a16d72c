"""What ``interflow run`` is to run: a config from its start, or a folder from its last checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interflow.cli.folders import default_folder
from interflow.config.document import LARGEST_STORED, Document, parse, parse_assignment, read

if TYPE_CHECKING:
    from interflow.config.run_config import Run, RunConfig
    from interflow.reporters import CsvReport, Observable
    from interflow.state import State
    from interflow.storage import RunFolder
    from interflow.system import ParticleSystem


@dataclass(frozen=True)
class Job:
    """A run that is ready to go.

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
        """The table of what is observed, if the config wants one, in the folder that the run has by its first row."""
        from interflow.reporters import CsvReport, EnergyOf
        from interflow.storage.reports import REPORT

        if self.run.report_every is None:
            return []
        observed = {"energy": EnergyOf(self.system.energy), **self.observables}
        every = self.run.report_every

        @cache
        def table() -> CsvReport:
            return CsvReport(self.folder.path / REPORT, observed, every, resume=True)

        return [lambda state: table()(state)]


def begun(
    config: Path, out: Path | None, *, overwrite: bool, assignments: Iterable[str], plugins: Iterable[str]
) -> Job:
    """The run of a config file, in a folder that is made when it starts."""
    document = read(config)  # what cannot be read at all is said before anything that takes time is imported
    changes = [parse_assignment(text) for text in assignments]
    _load(plugins)
    from interflow.config.loading import configure, dump
    from interflow.reporters import EverySeconds
    from interflow.storage import RunFolder

    run_config, document = configure(document, changes)
    due, text = EverySeconds(run_config.run.checkpoint_every), dump(run_config)
    path = out or default_folder("runs", config)
    folder = RunFolder(path, checkpoint_every=due, overwrite=overwrite, numbered=out is None, config=text)
    return _job(config.stem, run_config, document, folder, resume=False)


def resumed(path: Path, plugins: Iterable[str]) -> Job:
    """The run in a folder, from the config that is in it."""
    from interflow.config.loading import configure
    from interflow.reporters import EverySeconds
    from interflow.storage import RunFolder, stored_config

    _load(plugins)
    text = stored_config(path)
    run_config, document = configure(parse(text, str(path / "config.yaml"), LARGEST_STORED), [])
    folder = RunFolder(path, checkpoint_every=EverySeconds(run_config.run.checkpoint_every), config=text)
    return _job(path.resolve().name, run_config, document, folder, resume=True)


def _job(name: str, config: RunConfig, document: Document, folder: RunFolder, *, resume: bool) -> Job:
    with document.located():
        system = config.build()
        return Job(name, system, config.observe(system), config.run, folder, resume)


def _load(plugins: Iterable[str]) -> None:
    from interflow.cli.plugins import load_plugin

    for plugin in plugins:
        load_plugin(plugin)
