"""What a run depends on, to the last bit, beside its config."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from interflow.system import ParticleSystem

Precision = Literal["highest", "high", "medium"]
PACKAGES = ("interflow-particles", "torch", "pykeops", "finufft")


class Choices(BaseModel):
    """The choices that a run makes at a step, and that it makes again where it goes on.

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
    def now(cls, system: ParticleSystem) -> Choices:
        """Those of a system in this process, at its state."""
        said = [choice for _, choice in system.energy.explain(system.positions, system.weights)]
        return cls(
            threads=torch.get_num_threads(),
            precision=cast(Precision, torch.get_float32_matmul_precision()),
            backends=[choice.backend for choice in said],
            settings=[choice.settings for choice in said],
            tolerances=[part.tolerance for part in _parts(system.energy) if hasattr(part, "tolerance")],
            processor=_processor(system.positions.device),
            versions={package: _version(package) for package in PACKAGES},
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        """A block with as many threads and as much precision as then."""
        before = torch.get_num_threads(), torch.get_float32_matmul_precision()
        _compute_with(self.threads, self.precision)
        try:
            yield
        finally:
            _compute_with(*before)

    def differences(self, other: Choices) -> list[str]:
        """What another one has otherwise, in words."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{name} {listed(ours[name])} → {listed(theirs[name])}" for name in ours if ours[name] != theirs[name]]


def _parts(energy: nn.Module) -> Iterator[Any]:
    return energy.modules()


def _compute_with(threads: int, precision: str) -> None:
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


def listed(value: object) -> str:
    """The entries of a list, or another value, for a message."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
