"""A run that is written to its folder while it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from interflow.errors import StorageError
from interflow.reporters.triggers import Trigger
from interflow.state import State
from interflow.storage.checkpoint import Checkpoint
from interflow.storage.choices import Choices
from interflow.storage.files import Lock, flush, told
from interflow.storage.manifest import Manifest
from interflow.storage.reports import REPORT, digest
from interflow.storage.stored import StoredSolution
from interflow.storage.trajectory import SCALARS, Array, Trajectory
from interflow.system import ParticleSystem


@final
class FolderRecording:
    """Writes frames as they come, and checkpoints when it is time.

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
        self.made = system.state.step - manifest.first_step
        self._folder = folder
        self._system = system
        self._config = config
        self._due = due
        self._lock = lock
        self._trajectory = Trajectory(folder, manifest.arrays) if manifest.frames else None
        self._flushed = manifest.frames

    def add(self, state: State, scalars: Mapping[str, Tensor]) -> None:
        """Write a frame, and then the manifest that counts it."""
        frame, arrays = self.manifest.frames, _arrays(state, scalars)
        with self._writing(f"the frame of step {state.step}"):
            if self._trajectory is None:
                capacity = len(self.manifest.plan)
                self._trajectory = Trajectory.create(self._folder, capacity, arrays, _array(state.weights))
            self._trajectory.write(frame, arrays)
            self._declare(settle=False, frames=frame + 1, arrays=self._trajectory.digests)

    def step_made(self, state: State) -> None:
        """Write a checkpoint if it is time, and the state is a good one."""
        if self._due(state) and state.is_finite():
            self.save()

    def solution(self, stats: Mapping[str, Any]) -> StoredSolution:
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
            snapshot(self._system, frames, self._config, rows).write(self._folder)
        self._flushed = frames

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        if not self._lock.holds(self._folder):  # Zarr would make it anew
            why = "the folder was removed or renamed while the run went on"
            remedy = "If it was renamed, `interflow run --resume` goes on from the last checkpoint in it."
            raise StorageError(f"{self._folder}: cannot write {what}: {why}. {remedy}")
        remedy = f"What was saved before is intact, and `interflow run --resume {self._folder}` goes on from it."
        with told(self._folder, f"write {what}", remedy):
            yield

    def _declare(self, *, settle: bool = True, **changes: Any) -> None:
        self.manifest = self.manifest.model_copy(update=changes)
        self.manifest.write(self._folder, settle=settle)


def snapshot(system: ParticleSystem, frames: int, config: str, report: str = "") -> Checkpoint:
    """The system now."""
    return Checkpoint(
        step=system.state.step,
        frames=frames,
        config=config,
        report=report,
        modules=classes(system),
        choices=Choices.now(system),
        system=system.state_dict(),
    )


def classes(system: ParticleSystem) -> dict[str, str]:
    """The names of the classes that a system is made of, by their places in it."""
    parts = system.named_modules(remove_duplicate=False)
    return {name.replace("_boundary", "boundary"): type(part).__name__ for name, part in parts if name}


def _arrays(state: State, scalars: Mapping[str, Tensor]) -> dict[str, Array]:
    """What is kept of a frame, by the name of its array."""
    moving = {} if state.velocities is None else {"velocities": _array(state.velocities)}
    return {
        "positions": _array(state.positions),
        **moving,
        "times": _array(state.time),
        "steps": np.array(state.step, dtype=np.int64),
        **{SCALARS + name: _array(scalar) for name, scalar in scalars.items()},
    }


def _array(tensor: Tensor) -> Array:
    """On the CPU; in float32 what NumPy has no type for."""
    tensor = torch.as_tensor(tensor).detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).contiguous().numpy()
