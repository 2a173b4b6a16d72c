"""What ``interflow run`` is to run: a config from its start, or a folder from its last checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from interflow.config.assignments import parse_assignment
from interflow.config.document import parse, read

if TYPE_CHECKING:
    from interflow.config.run_config import Run
    from interflow.reporters import Observable
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
    with document.located():
        system = run_config.build()
        observables = run_config.observe(system)
    due = EverySeconds(run_config.run.checkpoint_every)
    folder = RunFolder(
        out or _default_folder(config), checkpoint_every=due, overwrite=overwrite, config=dump(run_config)
    )
    return Job(config.stem, system, observables, run_config.run, folder, resume=False)


def resumed(path: Path, plugins: Iterable[str]) -> Job:
    """The run in a folder, from the config that is in it, with the choices that it made."""
    import torch

    from interflow.config.loading import configure
    from interflow.reporters import EverySeconds
    from interflow.storage import RunFolder, stored_config

    _load(plugins)
    text, choices = stored_config(path)
    torch.set_num_threads(choices.threads)
    torch.set_float32_matmul_precision(choices.precision)
    run_config, document = configure(parse(text, str(path / "config.yaml")), [])
    with document.located():
        system = run_config.build()
        observables = run_config.observe(system)
    due = EverySeconds(run_config.run.checkpoint_every)
    folder = RunFolder(path, checkpoint_every=due, config=text)
    return Job(path.resolve().name, system, observables, run_config.run, folder, resume=True)


def _load(plugins: Iterable[str]) -> None:
    from interflow.cli.plugins import load_plugin

    for plugin in plugins:
        load_plugin(plugin)


def _default_folder(config: Path) -> Path:
    """A folder for now, numbered where several runs begin in one second."""
    base = Path("runs") / f"{config.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    candidates = (base.with_name(f"{base.name}-{number}") for number in range(2, 1000))
    return base if not base.exists() else next(path for path in candidates if not path.exists())
