"""What a run depends on, to the last bit, beside its config."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from pydantic import BaseModel, ConfigDict, Field

from interflow.system import ParticleSystem

PACKAGES = ("interflow-particles", "torch", "pykeops")


class Choices(BaseModel):
    """The choices that a run made when it began, and that it makes again where it goes on.

    Args:
        threads: on which sums are divided.
        precision: of float32 matrix products, as PyTorch calls it.
        backends: what sums the pairs of each term of the energy, in their order.
        processor: the machine.
        versions: of the packages that calculate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    threads: int = Field(ge=1, le=4096)
    precision: str
    backends: list[str]
    processor: str
    versions: dict[str, str]

    @classmethod
    def now(cls, system: ParticleSystem) -> Choices:
        """Those of a system in this process."""
        said = system.energy.explain(system.positions, system.weights)
        return cls(
            threads=torch.get_num_threads(),
            precision=torch.get_float32_matmul_precision(),
            backends=[choice.backend for _, choice in said],
            processor=_processor(system.positions.device),
            versions={package: _version(package) for package in PACKAGES},
        )

    def differences(self, other: Choices) -> list[str]:
        """What another one has otherwise, in words."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{name} {ours[name]} → {theirs[name]}" for name in ours if ours[name] != theirs[name]]


def _processor(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
