"""The band-limited energy kernel, for the torus."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel
from interflow.kernels.images import ImageSum
from interflow.kernels.lattice import total
from interflow.kernels.suprema import sampled_supremum
from interflow.parameters import positive

MOST_WAVES = 2**20
"""Waves in the box around the band; more would take gigabytes before the first sum."""


class BandlimitedEnergyKernel(Kernel):
    """``k(x, y) = Σₖ A |ωₖ|^(−d−1) / ΠL · cos(ωₖ·δ)`` over ``0 < |ωₖ| ≤ 2πK/min L``, with ``ωₖ = 2πk/L``.

    The distance kernel of the torus: with ``A = 2ᵈ π^((d−1)/2) Γ((d+1)/2)``, ``A |ω|^(−d−1)`` is the transform of −r in
    open space (Gelfand and Shilov, 1964), so that down to lengths of about ``min L/2K`` k(δ) is −r and a constant.
    Unlike the distance to the nearest image it is positive definite, as all of its coefficients are positive. Its MMD
    is an energy distance that does not see details finer than that; its energy repels when it is descended.

    It is periodic by itself: on its own torus nearest images and all images are one.

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
            _counts(self.lengths, modes)

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        lengths = self._lengths(len(displacement))
        band = _band(lengths, self.modes)
        counts = [max(wave[axis] for wave in band) for axis in range(len(lengths))]
        axes = zip(displacement, lengths, counts, strict=True)
        waves = [_cosines(part * (2.0 * math.pi / length), count) for part, length, count in axes]
        value = _nested(band, waves)
        assert isinstance(value, Tensor)  # there is a mode
        return value

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        return super().at_zero(len(self.lengths) if isinstance(self.lengths, tuple) else dimension, boundary)

    def coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor | None:
        if not self._is_mine(tuple(lengths.tolist())):
            return None
        inside = (squared_frequencies > 0.0) & (squared_frequencies <= self._limit() ** 2)
        apart = torch.where(inside, squared_frequencies, 1.0)
        scale = _scale(lengths.numel()) / lengths.prod()
        return torch.where(inside, scale * apart ** (-0.5 * (lengths.numel() + 1)), 0.0)

    def tail(self, frequency: float, lengths: tuple[float, ...], order: int) -> float:
        if not self._is_mine(lengths):
            return math.inf
        above = frequency * (1.0 + 1e-12)
        return math.fsum(
            part * _size(wave, lengths) ** order
            for wave, part in _band(lengths, self.modes).items()
            if max(2.0 * math.pi * k / length for k, length in zip(wave, lengths, strict=True)) > above
        )

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        return 0.0 if self._is_mine(lengths) else math.inf

    def images(self, lengths: tuple[float, ...], precision: float) -> ImageSum[Any]:
        if not self._is_mine(lengths):
            raise ArgumentError(
                "lengths", came=f"{self.lengths} in the kernel", wanted=f"{lengths}, as in the boundary"
            )
        return super().images(lengths, precision)

    def supremum(self, order: int, dimension: int) -> float:
        if order == 0:
            return sum(_band(self._lengths(dimension), self.modes).values())
        return sampled_supremum(self, order, dimension)

    def extra_repr(self) -> str:
        return f"lengths={self.lengths}, modes={self.modes}"

    def _limit(self) -> float:
        """The largest frequency, past rounding."""
        shortest = min(self.lengths) if isinstance(self.lengths, tuple) else self.lengths
        return 2.0 * math.pi * self.modes / shortest * (1.0 + 1e-9)

    def _lengths(self, dimension: int) -> tuple[float, ...]:
        if not isinstance(self.lengths, tuple):
            return (self.lengths,) * dimension
        if len(self.lengths) != dimension:
            wanted = f"{len(self.lengths)}, as many as `lengths` of the kernel has"
            raise ArgumentError("positions", came=f"{dimension} coordinates a point", wanted=wanted)
        return self.lengths

    def _is_mine(self, lengths: tuple[float, ...]) -> bool:
        """Whether they are the kernel's own, up to the rounding of float32."""
        own = self._lengths(len(lengths))
        return all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(lengths, own, strict=True))


def _scale(dimension: int) -> float:
    """A."""
    return 2.0**dimension * math.pow(math.pi, 0.5 * (dimension - 1)) * math.gamma(0.5 * (dimension + 1))


def _size(wave: tuple[int, ...], lengths: tuple[float, ...]) -> float:
    """``|ωₖ|``."""
    return 2.0 * math.pi * math.hypot(*(k / length for k, length in zip(wave, lengths, strict=True)))


def _counts(lengths: tuple[float, ...], modes: int) -> list[int]:
    """The most waves of the band along each axis."""
    counts = [math.floor(modes * length / min(lengths) * (1.0 + 1e-9)) for length in lengths]
    if (waves := math.prod(count + 1 for count in counts)) > MOST_WAVES:
        raise ArgumentError(
            "modes",
            came=f"{modes} along the shortest of the periods {lengths}, a band in a box of {waves:.1e} waves",
            wanted=f"a box of at most {MOST_WAVES} waves",
            remedy="take fewer modes, or periods of like size",
        )
    return counts


@lru_cache(maxsize=64)
def _band(lengths: tuple[float, ...], modes: int) -> dict[tuple[int, ...], float]:
    """The weight of each product of cosines ``Π cos(ωₐ δₐ)``: cₖ for all of the signs of k together."""
    limit = 2.0 * math.pi * modes / min(lengths) * (1.0 + 1e-9)
    scale = _scale(len(lengths)) / math.prod(lengths)
    sizes = {wave: _size(wave, lengths) for wave in product(*(range(n + 1) for n in _counts(lengths, modes)))}
    return {
        wave: scale * 2.0 ** sum(k > 0 for k in wave) * size ** -(len(lengths) + 1.0)
        for wave, size in sizes.items()
        if 0.0 < size <= limit
    }


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
