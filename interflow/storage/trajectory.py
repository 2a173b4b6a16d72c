"""The frames of a run as a Zarr v3 group, a chunk a frame, each with a checksum (CRC-32C).

``positions``, ``velocities``    ``(frames, N, d)``
``times``, ``steps``             ``(frames,)``
``scalars/NAME``                 ``(frames, …)``: the energy, and what else was observed
``weights``                      ``(N,)``

The arrays have room for every frame of the run from its start. How many of them exist, the manifest alone tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast, final

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor
from zarr.codecs import Crc32cCodec
from zarr.storage import LocalStore

from interflow.errors import ArgumentError, StorageError
from interflow.storage.files import flush

FOLDER: Final = "frames.zarr"
WEIGHTS: Final = "weights"
SCALARS: Final = "scalars/"
_DESCRIPTION = "zarr.json"
_CODECS = ["bytes", "crc32c"]
_CONFIG: Any = {"write_empty_chunks": True}
"""A chunk of zeros is a chunk: one that is missing is damage."""
_TYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")

Array = NDArray[Any]


@final
class Trajectory:
    """The arrays of a run folder.

    Args:
        folder: the run folder.
        digests: of the descriptions of its arrays, by name.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str]) -> None:
        self.path = folder / FOLDER
        self.digests = dict(digests)
        self._arrays = {name: self._open(name, digest) for name, digest in digests.items()}

    @classmethod
    def create(cls, folder: Path, capacity: int, first: Mapping[str, Array], weights: Array) -> Trajectory:
        """Make room for frames that are like the first one, and keep the weights."""
        group = zarr.create_group(LocalStore(folder / FOLDER), overwrite=True)
        for name, array in first.items():
            _create(group, name, (capacity, *array.shape), (1, *array.shape), array.dtype)
        stored = _create(group, WEIGHTS, weights.shape, weights.shape, weights.dtype)
        if weights.size:
            stored[...] = weights
        for path in (folder / FOLDER, *(folder / FOLDER).rglob("*")):
            flush(path)
        return cls(folder, {name: _digest(folder / FOLDER / name) for name in (*first, WEIGHTS)})

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
        """An array of a frame; of all of them with None, for an array that has none.

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


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / _DESCRIPTION).read_bytes()).hexdigest()
