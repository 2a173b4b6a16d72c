"""A run on disk as a `Solution`, read where it is looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interflow.boundaries import Extent, OpenBoundary
from interflow.errors import ArgumentError, StorageError
from interflow.solution import ENERGY
from interflow.state import State
from interflow.storage.checkpoint import latest
from interflow.storage.files import check_no_links
from interflow.storage.manifest import Manifest
from interflow.storage.trajectory import SCALARS, WEIGHTS, Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_run(path: str | os.PathLike[str]) -> StoredSolution:
    """The run in a folder, finished or not, with the frames that it has now.

    Args:
        path: of the folder, as `RunFolder` and ``interflow run`` make it.

    Raises:
        ArgumentError: if the folder holds no run.
        StorageError: if what it holds is damaged, here or where a damaged frame is read.

    Example:
        >>> import tempfile
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem, RunFolder
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = system.simulate(steps=10, save_every=5, out=RunFolder(f"{folder}/run"))
        ...     solution = open_run(f"{folder}/run")
        ...     solution.positions.shape, solution.positions[-1, :3].shape
        ((3, 5, 2), torch.Size([3, 2]))
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    check_no_links(folder)
    return StoredSolution(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder that must hold a run; raises `ArgumentError` if it has none."""
    try:
        return Manifest.read(folder)
    except (FileNotFoundError, NotADirectoryError):
        came = f"{folder}, a folder without a run in it" if folder.is_dir() else f"{folder}, which is no folder"
        raise ArgumentError("run", came=came, wanted="a folder that `interflow run` or fl.RunFolder made") from None


@final
class StoredFrames:
    """The frames of one array. An index reads the frames that it names, one by one, and gives a tensor.

    It may be any that a tensor takes, the first part being of frames: ``positions[-1]``, ``positions[::10, :100]``.
    """

    def __init__(self, trajectory: Trajectory, name: str, count: int) -> None:
        self._trajectory = trajectory
        self._name = name
        self.shape = (count, *trajectory.shape(name)[1:])
        self.dtype = trajectory.dtype(name)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> Tensor:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, int | np.integer):
            return self._read(range(len(self))[first], tuple(rest))
        chosen = range(len(self))[first] if isinstance(first, slice) else np.arange(len(self))[first]
        frames = [self._read(int(frame), tuple(rest)) for frame in chosen]
        nothing = torch.zeros(0, *self.shape[1:], dtype=self.dtype)
        return torch.stack(frames) if frames else nothing[(slice(None), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:].numpy(), dtype=dtype)

    def _read(self, frame: int, rest: tuple[Any, ...]) -> Tensor:
        return self._trajectory.read(self._name, frame)[rest]


@final
class StoredSolution:
    """The run in a folder; see `open_run`. Frames that are added later show when it is opened again.

    Args:
        folder: its path.
        manifest: what it holds.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._trajectory = Trajectory(folder, manifest.arrays)
        missing = {"positions", "times", "steps", SCALARS + ENERGY, WEIGHTS} - manifest.arrays.keys()
        if manifest.frames and missing:
            raise StorageError(f"{folder}: the manifest lacks the arrays {', '.join(sorted(missing))}.")
        rooms = [self._trajectory.shape(name) for name in manifest.arrays if name != WEIGHTS]
        if any(not room or room[0] < manifest.frames for room in rooms):
            raise StorageError(f"{folder}: the manifest counts more frames than its arrays have room for.")
        if not manifest.frames:
            raise ArgumentError("run", came=f"{folder}, which has no frame yet", wanted="a run that has begun")

    @property
    def positions(self) -> StoredFrames:
        """``(frames, N, d)``."""
        return self._frames("positions")

    @property
    def velocities(self) -> StoredFrames | None:
        """``(frames, N, d)``; None for a motion of first order."""
        return self._frames("velocities") if "velocities" in self.manifest.arrays else None

    @cached_property
    def weights(self) -> Tensor:
        """``(N,)``."""
        return self._trajectory.read(WEIGHTS, None)

    @cached_property
    def times(self) -> Tensor:
        """``(frames,)``, float64."""
        return self._frames("times")[:]

    @cached_property
    def steps(self) -> Tensor:
        """``(frames,)``, int64."""
        return self._frames("steps")[:]

    @property
    def energies(self) -> Tensor:
        """``(frames,)``."""
        return self.scalars[ENERGY]

    @cached_property
    def scalars(self) -> Mapping[str, Tensor]:
        """``(frames, …)`` each, by name."""
        names = [name for name in self.manifest.arrays if name.startswith(SCALARS)]
        return {name.removeprefix(SCALARS): self._frames(name)[:] for name in names}

    @property
    def extent(self) -> Extent:
        """Where the domain ends."""
        dimension, kept = self.positions.shape[-1], self.manifest.extent
        return OpenBoundary().extent(dimension) if kept is None else kept.on_axes(dimension)

    @property
    def stats(self) -> Mapping[str, Any]:
        """How the run went; empty as long as it is not finished."""
        return self.manifest.stats

    @cached_property
    def final(self) -> State:
        """The whole state of the last checkpoint, from which a run can go on."""
        return latest(self.folder).state

    def __len__(self) -> int:
        return self.manifest.frames

    def __getitem__(self, frame: int) -> State:
        """The state of a frame, without what an integrator carries: see `final`."""
        velocities = self.velocities
        return State(
            positions=self.positions[frame],
            weights=self.weights,
            velocities=None if velocities is None else velocities[frame],
            time=self._frames("times")[frame],
            step=int(self._frames("steps")[frame]),
        )

    def plot(self, picture: str = "evolution", *, colour: Any = None, title: str = "") -> Figure:
        """A picture that notebooks show; see `interflow.views.evolutions`."""
        from interflow.views.evolutions import plot

        return plot(self, picture, colour=colour, title=title)

    def _frames(self, name: str) -> StoredFrames:
        return StoredFrames(self._trajectory, name, len(self))
