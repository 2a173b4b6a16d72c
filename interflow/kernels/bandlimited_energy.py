"""The band-limited energy kernel, for the torus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel, squared_norm
from interflow.kernels.images import ImageSum, total
from interflow.parameters import positive

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


class BandlimitedEnergyKernel(Kernel):
    """``k(x, y) = Σₖ A |ωₖ|^(−d−1) / ΠL · cos(ωₖ·δ)`` over ``0 < |ωₖ| ≤ 2πK/min L``, with ``ωₖ = 2πk/L``.

    The distance kernel of the torus: with ``A = 2ᵈ π^((d−1)/2) Γ((d+1)/2)``, ``A |ω|^(−d−1)`` is the transform of −r in
    open space (Gelfand and Shilov, 1964), so that down to lengths of about ``min L/2K`` k(δ) is −r and a constant.
    Unlike the distance to the nearest image it is positive definite, as all of its coefficients are positive. Its MMD
    is an energy distance that does not see details finer than that; its energy repels when it is descended.

    It is periodic by itself: on its own torus nearest images and all images are one. Its Fourier series is that of a
    domain with the same periods in float64; for one whose periods were rounded to float32, make it of those.

    Args:
        lengths: the periods L, one number for all axes or one for each, in units of the positions. They are fixed.
        modes: K, the number of waves along the shortest axis. It is fixed.

    Raises:
        ArgumentError: unless the lengths are positive and there is at least one mode; where the band holds more than
            2²⁰ waves, as it does for periods of very different size.

    Example:
        >>> import torch
        >>> kernel = BandlimitedEnergyKernel(1.0, modes=16)
        >>> near, far = kernel(torch.zeros(1, 1), torch.tensor([[0.1], [0.3]])).flatten().tolist()
        >>> round(near - far, 2)  # on the circle the distance meets itself: it is r − r²/L there
        0.12
    """

    symmetric = True
    definite = True
    positive_definite = True

    def __init__(self, lengths: float | Tensor, modes: int) -> None:
        super().__init__()
        values = positive("lengths", lengths)
        if values.ndim > 1:
            came = f"a tensor of shape {tuple(values.shape)}"
            raise ArgumentError("lengths", came=came, wanted="a number, or one number an axis")
        if modes < 1 or int(modes) != modes:
            raise ArgumentError("modes", came=repr(modes), wanted="a positive whole number")
        self.lengths: float | tuple[float, ...] = tuple(values.tolist()) if values.ndim else values.item()
        self.modes = modes
        if isinstance(self.lengths, tuple):
            band(self.lengths, modes)

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        lengths = self._lengths(len(displacement))
        mine = band(lengths, self.modes)
        axes = zip(displacement, lengths, mine.counts, strict=True)
        waves = [_cosines(part * (2.0 * math.pi / length), count) for part, length, count in axes]
        value = _nested(dict(mine), waves)
        assert isinstance(value, Tensor)  # there is a mode
        return value

    def check_domain(self, boundary: Boundary, dimension: int) -> None:
        self._lengths(dimension)

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        dimension = len(self.lengths) if isinstance(self.lengths, tuple) else dimension
        periods = None if boundary is None else boundary.image_periods(dimension)
        if periods is not None and not self._is_mine(tuple(periods.tolist())):
            return super().at_zero(dimension, boundary)  # which refuses it
        return torch.tensor(band(self._lengths(dimension), self.modes).at_zero, dtype=torch.float64)

    def coefficients(self, frequencies: Sequence[Tensor], lengths: Tensor) -> Tensor | None:
        if not self._is_mine(tuple(lengths.tolist()), rounding=1e-12):
            return None  # its waves are not those of a torus whose periods are rounded
        squared_frequencies = squared_norm(tuple(frequencies))
        limit = band(self._lengths(lengths.numel()), self.modes).limit
        inside = (squared_frequencies > 0.0) & (squared_frequencies <= limit**2)
        apart = torch.where(inside, squared_frequencies, 1.0)
        scale = scale_of(lengths.numel()) / lengths.prod()
        return torch.where(inside, scale * apart ** (-0.5 * (lengths.numel() + 1)), 0.0)

    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        if not self._is_mine(lengths):
            return math.inf
        return band(self._lengths(len(lengths)), self.modes).beyond(frequency, order)

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        return 0.0 if self._is_mine(lengths) else math.inf

    def images(self, lengths: tuple[float, ...], precision: float) -> ImageSum[Any]:
        if not self._is_mine(lengths):
            raise ArgumentError(
                "lengths", came=f"{self.lengths} in the kernel", wanted=f"{lengths}, as in the boundary"
            )
        return super().images(lengths, precision)

    def supremum(self, order: int, dimension: int) -> float:
        mine = band(self._lengths(dimension), self.modes)
        return mine.steepest if order else mine.at_zero

    def extra_repr(self) -> str:
        return f"lengths={self.lengths}, modes={self.modes}"

    def _lengths(self, dimension: int) -> tuple[float, ...]:
        if not isinstance(self.lengths, tuple):
            return (self.lengths,) * dimension
        if len(self.lengths) != dimension:
            wanted = f"{len(self.lengths)}, as many as `lengths` of the kernel has"
            raise ArgumentError("positions", came=f"{dimension} coordinates a point", wanted=wanted)
        return self.lengths

    def _is_mine(self, lengths: tuple[float, ...], rounding: float = 1e-6) -> bool:
        """Whether they are the kernel's own, by default up to the rounding of float32."""
        own = self._lengths(len(lengths))
        return all(math.isclose(a, b, rel_tol=rounding) for a, b in zip(lengths, own, strict=True))


def _nested(
    band: dict[tuple[int, ...], float], waves: list[list[Tensor]], leading: tuple[int, ...] = ()
) -> Tensor | float | None:
    """``Σ_k₁ cos(ω₁δ₁) Σ_k₂ cos(ω₂δ₂) …``, one axis inside the other; None for an empty sum."""
    if len(leading) == len(waves):
        return band.get(leading)
    parts = [(wave, _nested(band, waves, (*leading, k))) for k, wave in enumerate(waves[len(leading)])]
    terms = [wave * inner for wave, inner in parts if inner is not None]
    return total(terms) if terms else None


def _cosines(angle: Tensor, count: int) -> list[Tensor]:
    """``cos kθ`` for k = 0, …, count, by doubling ``vₖ = 1 − cos kθ = 2 sin²(kθ/2)``.

    ``v₂ₖ = 2 vₖ (2 − vₖ)`` and ``v₂ₖ₊₁ = 2 (vₖ₊₁ + vₖ (1 − vₖ₊₁)) − v₁`` are right to round-off near θ = 0, where
    recurrences for the cosine lose k² of it.
    """
    versines = [0.0 * angle, 2.0 * (0.5 * angle).sin().square()]
    while len(versines) <= count:
        low, odd = divmod(len(versines), 2)
        near, far = versines[low], versines[low + odd]
        versines.append(2.0 * (far + near * (1.0 - far)) - versines[1] if odd else 2.0 * near * (2.0 - near))
    return [1.0 - versine for versine in versines[: count + 1]]
