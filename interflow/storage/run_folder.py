"""The folder of one run.

``manifest.json``                         what there is; replaced at once, whenever that changes
``config.yaml``                           the config with every field filled in, itself runnable, where there is one
``frames.zarr``                           the frames so far
``last.checkpoint``, ``prev.checkpoint``  all that the run needs to go on
``report.csv``                            what was observed between frames, where that was asked for
``summary.json``, ``evolution.png``       what ``interflow run`` makes of it at the end

Config, manifest and the checkpoint of step 0 are there before the first step: the folder gets its name once it holds
them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, final

from interflow.errors import ArgumentError, NonFiniteError, RunStoppedError, StorageError
from interflow.reporters.triggers import EverySeconds, Trigger, trigger
from interflow.solution import FramePlan
from interflow.storage.checkpoint import Checkpoint, latest
from interflow.storage.choices import Choices
from interflow.storage.files import (
    Lock,
    check_free,
    check_no_links,
    give_name,
    hidden,
    locked,
    new_file,
    new_folder,
    replace_file,
    told,
)
from interflow.storage.manifest import Manifest, StoredExtent
from interflow.storage.recording import FolderRecording, snapshot
from interflow.storage.reports import REPORT, check_report
from interflow.storage.resuming import resumed
from interflow.storage.stored import read_manifest
from interflow.system import ParticleSystem

CONFIG, SUMMARY = "config.yaml", "summary.json"

_logger = logging.getLogger("interflow")


@final
class RunFolder:
    """Where `ParticleSystem.simulate` keeps a run, so that it survives a kill, a full disk and a NaN.

    Args:
        path: of the folder.
        checkpoint_every: a number of steps or a trigger; every 30 seconds by default, and at the end.
        overwrite: delete the run that is there already. Nothing else is ever deleted.
        numbered: take the first of ``path``, ``path-2``, ``path-3``, … where nothing is yet; the attribute ``path``
            tells which, once the run has begun.
        config: of the run, as text.

    Example:
        >>> import tempfile, torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     solution = system.simulate(steps=10, save_every=5, out=RunFolder(f"{folder}/run"))
        ...     again = system.simulate(steps=10, save_every=5, out=RunFolder(f"{folder}/run"), resume=True)
        >>> len(solution), len(again)
        (3, 3)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        checkpoint_every: int | Trigger | None = None,
        overwrite: bool = False,
        numbered: bool = False,
        config: str = "",
    ) -> None:
        self.path = Path(path)
        self._due = EverySeconds(30) if checkpoint_every is None else trigger(checkpoint_every)
        self._overwrite = overwrite
        self._numbered = numbered
        self._config = config

    @contextmanager
    def recording(self, system: ParticleSystem, plan: FramePlan, resume: bool) -> Iterator[FolderRecording]:
        """The time in which a run goes on; no other process may write to the folder meanwhile.

        Raises:
            ArgumentError: if something is there already, or, to resume, no run or another one.
            StorageError: if the folder cannot be written or is damaged, or another process writes to it.
        """
        with self._resumed(system, plan) if resume else self._begun(system, plan) as (manifest, lock):
            recording = FolderRecording(self.path, manifest, system, self._config, self._due, lock)
            try:
                yield recording
            except (RunStoppedError, NonFiniteError):
                recording.save()
                raise
            except BaseException:
                if not resume and not recording.manifest.frames and lock.holds(self.path):
                    shutil.rmtree(self.path, ignore_errors=True)  # it failed to start, and has nothing to go on from
                raise

    def write_picture(self, save: Callable[[IO[bytes]], object], name: str = "evolution") -> None:
        """Keep the picture that a function writes to a stream, as the PNG of a name."""
        file = f"{name}.png"
        self._write(file, save)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Keep how it went."""
        text = json.dumps(summary, indent=2, default=str) + "\n"
        self._write(SUMMARY, lambda stream: stream.write(text.encode()))

    def summary(self) -> dict[str, Any]:
        """How it went; empty where that is not known yet.

        Raises:
            ArgumentError: if it is no summary.
        """
        try:
            summary = json.loads((self.path / SUMMARY).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError, OSError) as error:
            raise self._damaged(str(error)) from None
        if not isinstance(summary, dict):
            raise self._damaged(f"a {type(summary).__name__}")
        return summary

    def _damaged(self, reason: str) -> ArgumentError:
        remedy = "Move it away: `interflow run --resume` writes it anew."
        came = f"{self.path / SUMMARY}, which is damaged: {reason}"
        return ArgumentError("run", came=came, wanted="the summary of a run", remedy=remedy)

    def _write(self, name: str, save: Callable[[IO[bytes]], object]) -> None:
        """Write a file that other processes may be writing too, such as a picture."""
        with told(self.path, f"write {name}"), new_file(self.path / name) as file, open(file, "wb") as stream:
            save(stream)

    @contextmanager
    def _begun(self, system: ParticleSystem, plan: FramePlan) -> Iterator[tuple[Manifest, Lock]]:
        """A new folder with all that must be there before the first step."""
        if self._overwrite:
            self._make_way()
        if not self._numbered:
            check_free(self.path)
        manifest = Manifest(
            steps=plan.steps,
            save_every=plan.save_every,
            first_step=system.state.step,
            choices=Choices.now(system),
            extent=StoredExtent.of(system.boundary.extent(system.state.positions.shape[1])),
        )
        with new_folder(self.path) as folder, locked(folder) as lock:
            with told(self.path, "make the folder"):
                self._furnish(folder, manifest, system)
                self.path = give_name(folder, self.path, numbered=self._numbered)
            yield manifest, lock

    def _furnish(self, folder: Path, manifest: Manifest, system: ParticleSystem) -> None:
        if self._config:
            replace_file(folder / CONFIG, lambda stream: stream.write(self._config.encode()))
        snapshot(system, 0, self._config).write(folder)
        manifest.write(folder)

    def _make_way(self) -> None:
        """Delete the run that is there, which loses its name at once; refuse all else."""
        if not os.path.lexists(self.path):
            return
        if self.path.is_symlink():
            raise ArgumentError("out", came=f"{self.path}, a symbolic link", wanted="a folder")
        try:
            Manifest.read(self.path)
        except (OSError, StorageError) as error:
            came = f"{self.path}, which holds no run: {error}"
            raise ArgumentError("out", came=came, wanted="a run folder to overwrite") from None
        with told(self.path, "delete the run in it"), locked(self.path):
            shutil.rmtree(self.path.rename(hidden(self.path)))

    @contextmanager
    def _resumed(self, system: ParticleSystem, plan: FramePlan) -> Iterator[tuple[Manifest, Lock]]:
        """The folder as it was at its last good checkpoint, and the system with it."""
        read_manifest(self.path)
        with locked(self.path) as lock:
            manifest = read_manifest(self.path)
            check_no_links(self.path)
            checkpoint = latest(self.path)
            if self._config != checkpoint.config:
                came, remedy = f"{self.path / CONFIG}, changed since the run began", "Start a new run from it."
                raise ArgumentError("config", came=came, wanted="the config of the run", remedy=remedy)
            check_report(self.path / REPORT, checkpoint.step, checkpoint.report)
            with resumed(system, plan, manifest, checkpoint):
                yield self._taken_up(manifest, checkpoint), lock

    def _taken_up(self, manifest: Manifest, checkpoint: Checkpoint) -> Manifest:
        """The manifest from which the run goes on: frames after the checkpoint do not exist any more."""
        if manifest.frames < checkpoint.frames:
            raise StorageError(f"{self.path}: the manifest has fewer frames than the checkpoint.")
        if not manifest.finished or checkpoint.frames < manifest.frames:
            with told(self.path, "go on with the run"):
                for left in self.path.rglob("*.partial"):
                    left.unlink()
                manifest = manifest.model_copy(update={"frames": checkpoint.frames, "finished": False})
                manifest.write(self.path)
        _logger.info("%s: at step %d of %d.", self.path, checkpoint.step - manifest.first_step, manifest.steps)
        return manifest


def stored_config(folder: Path) -> str:
    """The config of the run in a folder.

    Raises:
        ArgumentError: if the folder holds no run, or one that was not started from a config.
    """
    read_manifest(folder)
    check_no_links(folder)
    try:
        return (folder / CONFIG).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        came = f"{folder}, which has no {CONFIG} that can be read"
        remedy = "A run that was started from Python goes on there: simulate(..., out=fl.RunFolder(...), resume=True)."
        raise ArgumentError("resume", came=came, wanted="a run that was started from a config", remedy=remedy) from None
