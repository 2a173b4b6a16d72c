"""The waves of a torus in a band of frequencies, with the weights of an energy kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import torch
from torch import Tensor

from interflow.errors import ArgumentError

MOST_WAVES = 2**20
"""Waves in the box around a band; more would take gigabytes before the first sum."""

_EDGE = 1.0 + 1e-9
"""What counts as in the band, past rounding."""

_PLACES = 2049
"""Displacements in half of a period at which a slope is tried."""


def scale_of(dimension: int) -> float:
    """``A = 2ᵈ π^((d−1)/2) Γ((d+1)/2)``: ``A |ω|^(−d−1)`` is the transform of −r (Gelfand and Shilov, 1964)."""
    return 2.0**dimension * math.pow(math.pi, 0.5 * (dimension - 1)) * math.gamma(0.5 * (dimension + 1))


@final
@dataclass(frozen=True)
class Band:
    """``Σₖ wₖ Πₐ cos(2π kₐ δₐ/Lₐ)`` over integers ``kₐ ≥ 0`` with ``0 < |ωₖ| ≤ 2πK/min L``.

    Each product of cosines stands for the waves of all signs of k, so that ``wₖ = 2^#{kₐ > 0} A |ωₖ|^(−d−1) / ΠL``.

    Args:
        lengths: the periods L.
        modes: K.

    Raises:
        ArgumentError: if they are too many.
    """

    lengths: tuple[float, ...]
    modes: int

    def __post_init__(self) -> None:
        if (waves := math.prod(count + 1 for count in self.counts)) > MOST_WAVES:
            raise ArgumentError(
                "modes",
                came=f"{self.modes} along the shortest of the periods {self.lengths}, a band in a box of {waves} waves",
                wanted=f"a box of at most {MOST_WAVES} waves",
                remedy="take fewer modes, or periods of like size",
            )

    @property
    def limit(self) -> float:
        """The largest frequency, past rounding."""
        return 2.0 * math.pi * self.modes / min(self.lengths) * _EDGE

    @property
    def counts(self) -> list[int]:
        """The largest k along each axis."""
        return [math.floor(self.modes * length / min(self.lengths) * _EDGE) for length in self.lengths]

    @cached_property
    def weights(self) -> Tensor:
        """wₖ on the box of all k up to `counts`, in float64; 0 outside the band."""
        components = self._components
        squared = sum(component.square() for component in components)
        assert isinstance(squared, Tensor)  # there is an axis
        inside = (squared > 0.0) & (squared <= self.limit**2)
        scale = scale_of(len(self.lengths)) / math.prod(self.lengths)
        parts = scale * torch.where(inside, squared, 1.0) ** (-0.5 * (len(self.lengths) + 1))
        for component in components:
            parts = parts * torch.where(component > 0.0, 2.0, 1.0)
        return torch.where(inside, parts, 0.0)

    @cached_property
    def at_zero(self) -> float:
        """The sum at δ = 0, the largest."""
        return float(self.weights.sum())

    @cached_property
    def steepest(self) -> float:
        """The largest slope along the first axis, from samples: a lower bound of the largest of all."""
        frequencies = 2.0 * math.pi / self.lengths[0] * torch.arange(len(self.weights), dtype=torch.float64)
        amplitudes = (
            frequencies * self.weights.flatten(1).sum(1) if len(self.lengths) > 1 else frequencies * self.weights
        )
        places = torch.linspace(0.0, 0.5 * self.lengths[0], _PLACES, dtype=torch.float64)
        slopes = [(part[:, None] * frequencies).sin() @ amplitudes for part in places.split(256)]
        return float(torch.cat(slopes).abs().max())

    def beyond(self, frequency: float, order: int) -> float:
        """``Σ |ωₖ|ᵐ wₖ`` over the waves that a cube of frequencies leaves out, for the order m."""
        edges, sums = _left_out(self, order)
        above = torch.searchsorted(edges, frequency * (1.0 + 1e-12), right=True)
        return float(sums[above])

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """The waves k of the band, each with its weight."""
        inside = self.weights.nonzero()
        return zip(map(tuple, inside.tolist()), self.weights[tuple(inside.T)].tolist(), strict=True)

    @property
    def _components(self) -> list[Tensor]:
        """The components of ωₖ, each along its own axis and of length 1 along the others."""
        axes = [
            2.0 * math.pi / length * torch.arange(count + 1, dtype=torch.float64)
            for length, count in zip(self.lengths, self.counts, strict=True)
        ]
        return list(torch.meshgrid(*axes, indexing="ij"))


@lru_cache(maxsize=16)
def _left_out(waves: Band, order: int) -> tuple[Tensor, Tensor]:
    """The largest component of each wave, ascending, and the sums of ``|ωₖ|ᵐ wₖ`` from there on, and 0 at the end."""
    components = torch.stack(waves._components).flatten(1)
    edges, places = components.amax(0).sort()
    values = (components.norm(dim=0) ** order * waves.weights.flatten())[places]
    return edges, torch.cat([values.flip(0).cumsum(0).flip(0), values.new_zeros(1)])


@lru_cache(maxsize=16)
def band(lengths: tuple[float, ...], modes: int) -> Band:
    """The band, from before where it is known."""
    return Band(lengths, modes)
