"""The manifest of a run folder, the only authority on its frames, and what a run depends on to the last bit."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError
from torch import nn

from interflow.boundaries import Extent
from interflow.errors import StorageError
from interflow.solution import FramePlan
from interflow.storage.files import atomic_write
from interflow.system import ParticleSystem
from interflow.validation import MAX_NAME
from interflow.versions import installed_version

Precision = Literal["highest", "high", "medium"]
PACKAGES = ("interflow-particles", "torch", "pykeops", "finufft")


class NumericalEnvironment(BaseModel):
    """The numerical environment of a run: threads, precision, processor, versions and backends.

    What an approximate sum sets, its modes and their precision, follows from the tolerance and the points alone.

    Args:
        threads: on which sums are divided.
        precision: of float32 matrix products, as PyTorch calls it.
        backends: what sums the pairs of each term of the energy, in their order.
        settings: the same with their options, such as the side of tiles.
        tolerances: the error that each part of the energy allows; None for exact sums.
        processor: the machine.
        versions: of the packages that calculate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    threads: int = Field(ge=1, le=4096)
    precision: Precision
    backends: list[str]
    settings: list[str]
    tolerances: list[float | None]
    processor: str
    versions: dict[str, str]

    @classmethod
    def capture(cls, system: ParticleSystem) -> NumericalEnvironment:
        """Those of a system in this process, at its state."""
        said = [choice for _, choice in system.energy.explain(system.positions, system.weights)]
        return cls(
            threads=torch.get_num_threads(),
            precision=cast(Precision, torch.get_float32_matmul_precision()),
            backends=[choice.backend for choice in said],
            settings=[choice.settings for choice in said],
            tolerances=[part.tolerance for part in _parts(system.energy) if hasattr(part, "tolerance")],
            processor=_processor(system.positions.device),
            versions={package: installed_version(package) for package in PACKAGES},
        )

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore threads and precision for the length of the block."""
        before = torch.get_num_threads(), torch.get_float32_matmul_precision()
        _compute_with(self.threads, self.precision)
        try:
            yield
        finally:
            _compute_with(*before)

    def differences(self, other: NumericalEnvironment) -> list[str]:
        """Return the differences to another environment, each as text."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [
            f"{name} {comma_list(ours[name])} → {comma_list(theirs[name])}"
            for name in ours
            if ours[name] != theirs[name]
        ]


def _parts(energy: nn.Module) -> Iterator[Any]:
    return energy.modules()


def _compute_with(threads: int, precision: str) -> None:
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


def comma_list(value: object) -> str:
    """The entries of a list, or another value, for a message."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


MANIFEST = "manifest.json"
MAX_BYTES = 1 << 20

_NAME = rf"^(scalars/|features/)?[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}$"
Name = Annotated[str, Field(pattern=_NAME)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StoredExtent(BaseModel):
    """The extent of a domain, in numbers that JSON has.

    Args:
        lower: the lower corner, a number an axis; None where there is no end.
        upper: the upper corner, likewise.
        periodic: whether an axis closes up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    lower: list[float | None]
    upper: list[float | None]
    periodic: list[bool]

    @classmethod
    def from_extent(cls, extent: Extent) -> StoredExtent:
        """What is kept of an extent."""
        lower, upper = (
            [value if math.isfinite(value) else None for value in corner.tolist()]
            for corner in (extent.lower, extent.upper)
        )
        return cls(lower=lower, upper=upper, periodic=extent.periodic.tolist())

    def on_axes(self, dimension: int) -> Extent:
        """Return the extent.

        Raises:
            StorageError: if it is not of ``d`` axes.
        """
        if not len(self.lower) == len(self.upper) == len(self.periodic) == dimension:
            raise StorageError(f"The manifest's extent is not of {dimension} axes.")
        lower = [-math.inf if value is None else value for value in self.lower]
        upper = [math.inf if value is None else value for value in self.upper]
        return Extent(
            torch.tensor(lower, dtype=torch.float64),
            torch.tensor(upper, dtype=torch.float64),
            torch.tensor(self.periodic, dtype=torch.bool),
        )


class Manifest(BaseModel):
    """The contents of a run folder. Every change is a new file that replaces the old one at once.

    Args:
        steps: of the whole run.
        save_every: steps from frame to frame; None for the first and the last alone.
        first_step: steps that the system had made before the run.
        frames: how many there are.
        finished: whether the last step was made.
        arrays: the digest of each array's description, by its name.
        choices: numerical environment, on which the run depends beside its config.
        extent: where its domain ends; None for open space.
        stats: how the run went.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["interflow run"] = "interflow run"
    schema_version: Literal[1] = 1
    steps: NonNegativeInt
    save_every: PositiveInt | None
    first_step: NonNegativeInt
    frames: NonNegativeInt = 0
    finished: bool = False
    arrays: dict[Name, Digest] = Field(default_factory=dict)
    choices: NumericalEnvironment
    extent: StoredExtent | None = None
    stats: dict[str, Any] = Field(default_factory=dict)

    @property
    def plan(self) -> FramePlan:
        """Which states of the run are frames."""
        return FramePlan(self.steps, self.save_every)

    def write(self, folder: Path, *, durable: bool = True) -> None:
        """Replace the manifest of a folder; `atomic_write` says what it is to settle."""
        data = self.model_dump(mode="json")
        try:  # what could not be read again is not written
            type(self).model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise StorageError(f"{folder / MANIFEST}: cannot hold {place}: {first['msg']}.") from None
        text = json.dumps({**data, "digest": _digest(data)}, indent=1)
        atomic_write(folder / MANIFEST, lambda stream: stream.write(text.encode()), durable=durable)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            FileNotFoundError: if it has none.
            StorageError: if it is damaged, or of another version.
        """
        file = folder / MANIFEST
        if file.is_symlink():
            raise StorageError(f"{file}: a symbolic link. A run folder has none; remove it.")
        with open(file, "rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        try:
            data = json.loads(text[:MAX_BYTES])
            written = data.pop("digest")
            if _digest(data) != written:
                raise ValueError("its digest is not that of its content")
            return cls.model_validate(data)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError, ValidationError) as error:
            reason = _other_version(error) or "the manifest is damaged"
            raise StorageError(f"{file}: {reason}.") from None


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _other_version(error: Exception) -> str:
    places = {place["loc"][:1] for place in error.errors()} if isinstance(error, ValidationError) else set()
    return "written by another version of interflow" if ("schema_version",) in places else ""
