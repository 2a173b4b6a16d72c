"""Frames of a run on disk in chunks, and the solution that reads them on demand.

The frames of a run as a Zarr v3 group, a chunk a frame, each with a checksum (CRC-32C).

``positions``, ``velocities``    ``(frames, N, d)``
``times``, ``steps``             ``(frames,)``
``scalars/NAME``                 ``(frames, …)``: the energy, and what else was observed
``weights``                      ``(N,)``
``features/NAME``                ``(N,)`` or ``(N, k)``: features of the particles

The arrays have room for every frame of the run from its start. How many of them exist, the manifest alone tells.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, final

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor
from zarr.codecs import Crc32cCodec
from zarr.storage import LocalStore

from interflow._repr import short
from interflow.boundaries import Extent, OpenBoundary
from interflow.errors import ArgumentError, StorageError
from interflow.solution import ENERGY
from interflow.state import State
from interflow.storage.checkpoint import latest
from interflow.storage.files import check_no_links, flush, usable
from interflow.storage.manifest import Manifest

FOLDER: Final = "frames.zarr"
WEIGHTS: Final = "weights"
SCALARS: Final = "scalars/"
FEATURES: Final = "features/"
_DESCRIPTION = "zarr.json"
_CODECS = ["bytes", "crc32c"]
_CONFIG: Any = {"write_empty_chunks": True}
"""A chunk of zeros is a chunk: one that is missing is damage."""
_TYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")

Array = NDArray[Any]


@final
class Trajectory:
    """The arrays in a run folder.

    Args:
        folder: the run folder.
        digests: of the descriptions of its arrays, by name.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str]) -> None:
        self.path = folder / FOLDER
        self.digests = dict(digests)
        self._arrays = {name: self._open(name, digest) for name, digest in digests.items()}

    @classmethod
    def create(cls, folder: Path, capacity: int, first: Mapping[str, Array], fixed: Mapping[str, Array]) -> Trajectory:
        """Make room for frames that are like the first one, and keep what is the same at all frames."""
        group = zarr.create_group(LocalStore(folder / FOLDER), overwrite=True)
        for name, array in first.items():
            _create(group, name, (capacity, *array.shape), (1, *array.shape), array.dtype)
        for name, array in fixed.items():
            stored = _create(group, name, array.shape, array.shape, array.dtype)
            if array.size:
                stored[...] = array
        for path in (folder / FOLDER, *(folder / FOLDER).rglob("*")):
            flush(path)
        return cls(folder, {name: _digest(folder / FOLDER / name) for name in (*first, *fixed)})

    def write(self, frame: int, arrays: Mapping[str, Array]) -> None:
        """Put arrays in the place of a frame."""
        for name, array in arrays.items():
            if array.shape != self.shape(name)[1:] or array.dtype != self._arrays[name].dtype:
                came = f"shape {array.shape}, {array.dtype} in frame {frame}"
                wanted = f"shape {self.shape(name)[1:]}, {self._arrays[name].dtype}, as in the first frame"
                raise ArgumentError(name, came=came, wanted=wanted)
            if array.size:
                self._arrays[name][frame] = array

    def flush(self, frames: range) -> None:
        """Wait until some frames are on the disk, with the folders that list them."""
        chunks = [self._chunk(name, frame) for name in self.digests if name != WEIGHTS for frame in frames]
        folders = {above for chunk in chunks for above in chunk.parents if above.is_relative_to(self.path)}
        for path in (*chunks, *folders):
            if path.exists():  # an array without numbers has no chunk
                flush(path)

    def read(self, name: str, frame: int | None) -> Tensor:
        """Read an array at a frame, or with None an array without frames.

        Raises:
            StorageError: if a chunk is damaged or missing.
        """
        array = self._arrays[name]
        chunk = self._chunk(name, frame)
        if array.size and not chunk.is_file():  # would be read as zeros
            raise StorageError(f"{chunk}: missing, though the manifest counts the frame.")
        try:
            values = np.asarray(array[...] if frame is None else array[frame])
        except (OSError, ValueError, RuntimeError, TypeError, IndexError, MemoryError) as error:
            raise StorageError(f"{chunk}: damaged: {error}") from None
        return torch.from_numpy(np.array(values))

    def shape(self, name: str) -> tuple[int, ...]:
        """Of an array, with room for frames that are still to come."""
        return self._arrays[name].shape

    def dtype(self, name: str) -> torch.dtype:
        """Of an array."""
        return cast(torch.dtype, getattr(torch, str(self._arrays[name].dtype)))

    def _chunk(self, name: str, frame: int | None) -> Path:
        """The file of a frame: all of its chunk's other indices are 0."""
        shape = self.shape(name)
        indices = ["0"] * len(shape) if frame is None else [str(frame), *["0"] * (len(shape) - 1)]
        return self.path.joinpath(name, "c", *indices)

    def _open(self, name: str, digest: str) -> zarr.Array[Any]:
        folder = self.path / name
        try:
            found, description = _digest(folder), json.loads((folder / _DESCRIPTION).read_bytes())
            codecs = [codec["name"] for codec in description["codecs"]]
            sound = found == digest and codecs == _CODECS and description["data_type"] in _TYPES
            if not sound:
                raise ValueError("not as it was written")
            return zarr.open_array(LocalStore(folder), mode="r+").with_config(_CONFIG)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{folder / _DESCRIPTION}: damaged or missing: {error}") from None


def _create(
    group: zarr.Group, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: np.dtype[Any]
) -> zarr.Array[Any]:
    return group.create_array(
        name,
        shape=shape,
        chunks=tuple(max(1, length) for length in chunk),
        dtype=dtype,
        compressors=[Crc32cCodec()],
        fill_value=np.nan if dtype.kind == "f" else 0,
        config=_CONFIG,
    )


def _is_fixed(name: str) -> bool:
    """Whether an array is the same at all frames."""
    return name == WEIGHTS or name.startswith(FEATURES)


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / _DESCRIPTION).read_bytes()).hexdigest()


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_run(path: str | os.PathLike[str]) -> StoredSolution:
    """Open the run in a folder, finished or not, with the frames that it has now.

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
    wanted = "a folder that `interflow run` or fl.RunFolder made"
    with usable(folder, "run", "read it", wanted):
        try:
            return Manifest.read(folder)
        except (FileNotFoundError, NotADirectoryError):
            came = f"{folder}, a folder without a run in it" if folder.is_dir() else f"{folder}, which is no folder"
            raise ArgumentError("run", came=came, wanted=wanted) from None


@final
class StoredFrames:
    """The frames of one array. Indexing reads the selected frames one by one and returns a tensor.

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
        rooms = [self._trajectory.shape(name) for name in manifest.arrays if not _is_fixed(name)]
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
    def features(self) -> Mapping[str, Tensor]:
        """``(N,)`` or ``(N, k)`` each, by name."""
        names = [name for name in self.manifest.arrays if name.startswith(FEATURES)]
        return {name.removeprefix(FEATURES): self._trajectory.read(name, None) for name in names}

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

    def __repr__(self) -> str:
        return f"StoredSolution({short(str(self.folder))}, positions={short(self.positions)})"

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
            features=self.features,
        )

    def plot(self, kind: str = "evolution", *, colour: Any = None, title: str = "") -> Figure:
        """A picture that notebooks show; see `interflow.views.evolutions`."""
        from interflow.views.evolutions import plot

        return plot(self, kind, colour=colour, title=title)

    def _frames(self, name: str) -> StoredFrames:
        return StoredFrames(self._trajectory, name, len(self))
