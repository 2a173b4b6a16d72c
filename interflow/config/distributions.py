"""Where the particles of a run start."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import finite, positive


class Distribution(ABC):
    """A law of independent points. A subclass writes `sample`."""

    @abstractmethod
    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Points of shape ``(N, d)``, drawn on the generator's device."""


class Uniform(Distribution):
    """Uniform in the box ``[lower, upper)``.

    Args:
        lower: lower corner, one number for all axes or one for each.
        upper: upper corner, one number for all axes or one for each.
    """

    def __init__(self, lower: float | Tensor = 0.0, upper: float | Tensor = 1.0) -> None:
        self.lower = finite("lower", lower)
        self.upper = finite("upper", upper)
        if not bool((self.upper > self.lower).all()):
            raise ArgumentError("upper", came=upper, wanted=f"more than `lower`, which is {lower}")

    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        lower, upper = _corner("lower", self.lower, shape, dtype), _corner("upper", self.upper, shape, dtype)
        return lower + (upper - lower) * torch.rand(shape, generator=generator, dtype=dtype)


class Normal(Distribution):
    """Normal with independent axes.

    Args:
        mean: centre, one number for all axes or one for each.
        deviation: standard deviation, one number for all axes or one for each.
    """

    def __init__(self, mean: float | Tensor = 0.0, deviation: float | Tensor = 1.0) -> None:
        self.mean = finite("mean", mean)
        self.deviation = positive("deviation", deviation)

    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        mean, deviation = _corner("mean", self.mean, shape, dtype), _corner("deviation", self.deviation, shape, dtype)
        return mean + deviation * torch.randn(shape, generator=generator, dtype=dtype)


def _corner(name: str, value: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    if value.ndim == 1 and len(value) != shape[1]:
        raise ArgumentError(
            name, came=f"{len(value)} numbers", wanted=f"{shape[1]}, one for each axis of the particles"
        )
    return value.to(dtype)
