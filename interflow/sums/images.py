"""How many images a formula sums: read from the values of parameters, and watched where a compiled graph holds it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.kernels.images import PRECISION, ImageSum
from interflow.parameters import hyperparameters, substitute
from interflow.sums.cache import BoundedCache


def image_sum(
    kernel: Kernel, structure: Hashable, boundary: Boundary, dimension: int, dtype: torch.dtype
) -> ImageSum[Any] | None:
    """How the sum over images is written, as precise as a dtype; None where only the nearest image counts.

    Args:
        kernel: the kernel.
        structure: what its formula depends on beside the values of its parameters.
        boundary: the domain.
        dimension: its number of axes.
        dtype: of the positions.

    Raises:
        ArgumentError: for a kernel whose sum does not converge, and for parameters whose values cannot be read.
    """
    periods = boundary.image_periods(dimension)
    if periods is None:
        return None
    try:
        lengths = tuple(periods.detach().tolist())
        values = tuple(tuple(value.detach().reshape(-1).tolist()) for value in hyperparameters(kernel).values())
    except RuntimeError as error:  # raised by torch for tensors without a value of their own
        raise ArgumentError(
            "boundary",
            came='images="all" with parameters whose values cannot be read here',
            wanted="plain tensors, on which the number of images depends",
            remedy='Batch over points rather than over parameters, or take images="nearest".',
        ) from error
    return _image_sum(_Asked(structure, values, lengths, PRECISION[dtype], kernel))


@dataclass(frozen=True)
class _Asked:
    """What an `ImageSum` depends on: the same sum is asked for at every step of a flow."""

    structure: Hashable
    values: tuple[tuple[float, ...], ...]
    lengths: tuple[float, ...]
    precision: float
    kernel: Kernel = field(compare=False)


@lru_cache(maxsize=256)
def _image_sum(asked: _Asked) -> ImageSum[Any]:
    return asked.kernel.images(asked.lengths, asked.precision)


@dataclass(frozen=True)
class _Written:
    """What a formula was written for; of the kernel and the boundary all but the values of their parameters counts."""

    kernel: Kernel
    boundary: Boundary
    dimension: int
    dtype: torch.dtype
    images: ImageSum[Any]

    def is_right_for(self, parameters: Tensor) -> bool:
        """Whether it would be written alike for these values of the parameters."""
        rest, parts = parameters.detach().reshape(-1).cpu(), []
        for module in (self.kernel, self.boundary):
            values = {}
            for name, value in hyperparameters(module).items():
                values[name], rest = rest[: value.numel()].reshape(value.shape), rest[value.numel() :]
            parts.append(substitute(module, values))
        kernel, boundary = parts
        periods = boundary.image_periods(self.dimension)
        return periods is not None and kernel.images(tuple(periods.tolist()), PRECISION[self.dtype]) == self.images


_written = BoundedCache[str, _Written](4096)


def remember(
    name: str, kernel: Kernel, boundary: Boundary, dimension: int, dtype: torch.dtype, images: ImageSum[Any]
) -> None:
    """Keep what a formula was written for, so that `watched` can tell whether it is still right."""
    if _key(name, dtype) not in _written:
        _written[_key(name, dtype)] = _Written(kernel, boundary, dimension, dtype, images)


def watched(parameters: Tensor, name: str, boundary: Boundary, dimension: int, dtype: torch.dtype) -> Tensor:
    """The parameters of a formula, which in a compiled graph are looked at whenever it runs.

    Elsewhere the formula is chosen anew for every sum; a graph holds the one that it was compiled with.
    """
    if not torch.compiler.is_compiling() or boundary.image_periods(dimension) is None:
        return parameters
    checked: Tensor = torch.ops.interflow.check_images(parameters.detach(), _key(name, dtype))
    return parameters - parameters.detach() + checked


def _key(name: str, dtype: torch.dtype) -> str:
    return f"{name}@{dtype}"


_library = torch.library.Library("interflow", "FRAGMENT")
_library.define("check_images(Tensor parameters, str key) -> Tensor")


@torch.library.impl(_library, "check_images", "CompositeExplicitAutograd")
def _checked(parameters: Tensor, key: str) -> Tensor:
    if key not in _written or not _written[key].is_right_for(parameters):
        raise ArgumentError(
            "kernel",
            came='parameters for which images="all" takes another number of images than the compiled graph has',
            wanted="parameters near those that it was compiled with",
            remedy="Compile it again, after torch.compiler.reset().",
        )
    return parameters.clone()


@torch.library.register_fake("interflow::check_images", lib=_library)
def _unchecked(parameters: Tensor, key: str) -> Tensor:
    return torch.empty_like(parameters)
