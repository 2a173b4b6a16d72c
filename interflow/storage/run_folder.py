"""The folder of one run, written while the run goes on.

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

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, final

import numpy as np
import torch
from torch import Tensor

from interflow._repr import short
from interflow.errors import ArgumentError, NonFiniteError, RunStoppedError, StorageError
from interflow.reporters.triggers import EverySeconds, Trigger, trigger
from interflow.solution import FramePlan
from interflow.state import State
from interflow.storage.checkpoint import Checkpoint, latest, module_class_names, restore_system
from interflow.storage.files import (
    Lock,
    atomic_write,
    check_free,
    check_no_links,
    flush,
    give_name,
    locked,
    new_file,
    new_folder,
    os_errors_as_storage_errors,
    temporary_path,
)
from interflow.storage.frames import FEATURES, SCALARS, WEIGHTS, Array, StoredSolution, Trajectory, read_manifest
from interflow.storage.manifest import Manifest, NumericalEnvironment, StoredExtent
from interflow.system import ParticleSystem

CONFIG, SUMMARY, REPORT = "config.yaml", "summary.json", "report.csv"

_logger = logging.getLogger("interflow")


@final
class FolderWriter:
    """Writer of frames and checkpoints to a run folder.

    Args:
        folder: the run folder.
        manifest: what it holds.
        system: what runs.
        config: of the run, for checkpoints.
        due: when to write one.
        lock: on the folder.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, system: ParticleSystem, config: str, due: Trigger, lock: Lock
    ) -> None:
        self.manifest = manifest
        self.steps_done = system.state.step - manifest.first_step
        self._folder = folder
        self._system = system
        self._config = config
        self._due = due
        self._lock = lock
        self._trajectory = Trajectory(folder, manifest.arrays) if manifest.frames else None
        self._flushed = manifest.frames

    def write_frame(self, state: State, scalars: Mapping[str, Tensor]) -> None:
        """Write a frame, and then the manifest that counts it."""
        frame, arrays = self.manifest.frames, _arrays(state, scalars)
        with self._writing(f"the frame of step {state.step}"):
            if self._trajectory is None:
                capacity = len(self.manifest.plan)
                self._trajectory = Trajectory.create(self._folder, capacity, arrays, _fixed_arrays(state))
            self._trajectory.write(frame, arrays)
            self._declare(durable=False, frames=frame + 1, arrays=self._trajectory.digests)

    def after_step(self, state: State) -> None:
        """Write a checkpoint if it is time, and the state is a good one."""
        if self._due(state) and state.is_finite():
            self.save()

    def finish(self, stats: Mapping[str, Any]) -> StoredSolution:
        """The run, which is finished with this."""
        if not self.manifest.finished:
            self.save()
            with self._writing("the manifest"):
                self._declare(finished=True, stats=dict(stats))
        return StoredSolution(self._folder, self.manifest)

    def save(self) -> None:
        """Write a checkpoint of the system, once the frames and the rows before it are on the disk."""
        frames = self.manifest.frames
        with self._writing(f"the checkpoint of step {self._system.state.step}"):
            if self._trajectory is not None:
                self._trajectory.flush(range(self._flushed, frames))
            table = self._folder / REPORT
            if table.exists():
                flush(table)
            rows = digest(table, self._system.state.step)
            make_checkpoint(self._system, frames, self._config, rows).write(self._folder)
        self._flushed = frames

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        if not self._lock.holds(self._folder):  # Zarr would make it anew
            why = "the folder was removed or renamed while the run went on"
            remedy = "If it was renamed, `interflow run --resume` goes on from the last checkpoint in it."
            raise StorageError(f"{self._folder}: cannot write {what}: {why}. {remedy}")
        remedy = f"What was saved before is intact, and `interflow run --resume {self._folder}` goes on from it."
        with os_errors_as_storage_errors(self._folder, f"write {what}", remedy):
            yield

    def _declare(self, *, durable: bool = True, **changes: Any) -> None:
        self.manifest = self.manifest.model_copy(update=changes)
        self.manifest.write(self._folder, durable=durable)


def make_checkpoint(system: ParticleSystem, frames: int, config: str, report: str = "") -> Checkpoint:
    """Return a checkpoint of the system in its current state."""
    return Checkpoint(
        step=system.state.step,
        frames=frames,
        config=config,
        report=report,
        modules=module_class_names(system),
        choices=NumericalEnvironment.capture(system),
        system=system.state_dict(),
    )


def _arrays(state: State, scalars: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return the arrays of a frame by name."""
    moving = {} if state.velocities is None else {"velocities": _array(state.velocities)}
    return {
        "positions": _array(state.positions),
        **moving,
        "times": _array(state.time),
        "steps": np.array(state.step, dtype=np.int64),
        **{SCALARS + name: _array(scalar) for name, scalar in scalars.items()},
    }


def _fixed_arrays(state: State) -> dict[str, Array]:
    """Return what is the same at all frames, by name."""
    return {WEIGHTS: _array(state.weights)} | {FEATURES + name: _array(part) for name, part in state.features.items()}


def _array(tensor: Tensor) -> Array:
    """Return a tensor as an array on the CPU, bfloat16 as float32."""
    tensor = torch.as_tensor(tensor).detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).contiguous().numpy()


@final
class RunFolder:
    """A folder in which `ParticleSystem.simulate` keeps a run that survives a kill, a full disk and a NaN.

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

    def __repr__(self) -> str:
        return f"RunFolder({short(str(self.path))})"

    @contextmanager
    def recording(self, system: ParticleSystem, plan: FramePlan, resume: bool) -> Iterator[FolderWriter]:
        """Lock the folder and yield a writer for the run.

        Raises:
            ArgumentError: if something is there already, or, to resume, no run or another one.
            StorageError: if the folder cannot be written or is damaged, or another process writes to it.
        """
        with self._resumed(system, plan) if resume else self._create(system, plan) as (manifest, lock):
            writer = FolderWriter(self.path, manifest, system, self._config, self._due, lock)
            try:
                yield writer
            except (RunStoppedError, NonFiniteError):
                writer.save()
                raise
            except BaseException:
                if not resume and not writer.manifest.frames and lock.holds(self.path):
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
        """Return the summary of the run; empty while there is none.

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
        with (
            os_errors_as_storage_errors(self.path, f"write {name}"),
            new_file(self.path / name) as file,
            open(file, "wb") as stream,
        ):
            save(stream)

    @contextmanager
    def _create(self, system: ParticleSystem, plan: FramePlan) -> Iterator[tuple[Manifest, Lock]]:
        """A new folder with all that must be there before the first step."""
        if self._overwrite:
            self._delete_old_run()
        if not self._numbered:
            check_free(self.path)
        manifest = Manifest(
            steps=plan.steps,
            save_every=plan.save_every,
            first_step=system.state.step,
            choices=NumericalEnvironment.capture(system),
            extent=StoredExtent.from_extent(system.boundary.extent(system.state.positions.shape[1])),
        )
        with new_folder(self.path) as folder, locked(folder) as lock:
            with os_errors_as_storage_errors(self.path, "make the folder"):
                self._write_initial_files(folder, manifest, system)
                self.path = give_name(folder, self.path, numbered=self._numbered)
            yield manifest, lock

    def _write_initial_files(self, folder: Path, manifest: Manifest, system: ParticleSystem) -> None:
        if self._config:
            atomic_write(folder / CONFIG, lambda stream: stream.write(self._config.encode()))
        make_checkpoint(system, 0, self._config).write(folder)
        manifest.write(folder)

    def _delete_old_run(self) -> None:
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
        with os_errors_as_storage_errors(self.path, "delete the run in it"), locked(self.path):
            shutil.rmtree(self.path.rename(temporary_path(self.path)))

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
            with restore_system(system, plan, manifest, checkpoint):
                yield self._truncate_to_checkpoint(manifest, checkpoint), lock

    def _truncate_to_checkpoint(self, manifest: Manifest, checkpoint: Checkpoint) -> Manifest:
        """The manifest from which the run goes on: frames after the checkpoint do not exist any more."""
        if manifest.frames < checkpoint.frames:
            raise StorageError(f"{self.path}: the manifest has fewer frames than the checkpoint.")
        if not manifest.finished or checkpoint.frames < manifest.frames:
            with os_errors_as_storage_errors(self.path, "go on with the run"):
                for left in self.path.rglob("*.partial"):
                    left.unlink()
                manifest = manifest.model_copy(update={"frames": checkpoint.frames, "finished": False})
                manifest.write(self.path)
        _logger.info("%s: at step %d of %d.", self.path, checkpoint.step - manifest.first_step, manifest.steps)
        return manifest


def stored_config(folder: Path) -> str:
    """Read the config of the run in a folder.

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


def digest(table: Path, step: int) -> str:
    """Return the SHA-256 digest of a table's head and its rows up to a step; empty if there are none."""
    if not table.exists():
        return ""
    content = table.read_bytes()
    end = _line_before(content, len(content))
    while (start := _line_before(content, end - 1)) and _step_of(content[start:end]) > step:
        end = start
    return hashlib.sha256(content[:end]).hexdigest() if start else ""


def check_report(table: Path, step: int, wanted: str) -> None:
    """Raise `StorageError` if rows up to the step of a checkpoint have changed; warn if the table is missing.

    Args:
        table: a CSV file, which need not be there.
        step: of the checkpoint.
        wanted: the digest that the checkpoint has.
    """
    if wanted and not table.exists():
        _logger.warning("%s: missing. It begins anew at step %d.", table, step)
    elif wanted and digest(table, step) != wanted:
        remedy = "Bring it back as it was, or remove it, and a new one begins where the run goes on."
        raise StorageError(f"{table}: damaged: its rows up to step {step} are not those of the run. {remedy}")


def _step_of(row: bytes) -> int:
    """Return the step of a row, or −1 if it has none."""
    first = row.split(b",")[0]
    return int(first) if first.isdigit() else -1


def _line_before(content: bytes, end: int) -> int:
    """Return the start of the line before ``end``."""
    return content.rfind(b"\n", 0, max(end, 0)) + 1
