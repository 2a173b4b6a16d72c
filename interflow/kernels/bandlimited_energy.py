"""The band-limited energy kernel, for the torus."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError
from interflow.kernels.band import band, scale_of
from interflow.kernels.base import Kernel
from interflow.kernels.images import ImageSum
from interflow.kernels.lattice import total
from interflow.parameters import positive


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

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor | None:
        dimension = len(self.lengths) if isinstance(self.lengths, tuple) else dimension
        periods = None if boundary is None else boundary.image_periods(dimension)
        if periods is not None and not self._is_mine(tuple(periods.tolist())):
            return super().at_zero(dimension, boundary)  # which refuses it
        return torch.tensor(band(self._lengths(dimension), self.modes).at_zero, dtype=torch.float64)

    def coefficients(self, squared_frequencies: Tensor, lengths: Tensor) -> Tensor | None:
        if not self._is_mine(tuple(lengths.tolist()), rounding=1e-12):
            return None  # its waves are not those of a torus whose periods are rounded
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
