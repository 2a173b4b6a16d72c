"""The modes and the precision that a tolerance needs, from closed-form bounds and before any sum.

With ``W = Σ|wⱼ|`` and m = 0 for the potential, 1 for the field, the error at a point is at most W times

- ``Σ |ωₖ|ᵐ |cₖ|`` over the modes that are left out: a tenth of what is allowed;
- ``Σ |∇ᵐ k|`` over the images that the series has and the domain has not: a tenth;
- ``2η Σ |ωₖ|ᵐ |cₖ|`` over the modes that are kept, with η the error of an exponential: the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.series.demands import Demand, UnsuitableError
from interflow.sums.series.modes import Modes
from interflow.sums.series.torus import Box, torus_of

MOST_MODES = 25_000_000
"""Modes that still fit: 0.4 GB of coefficients, and some times that in a fast transform."""


@dataclass(frozen=True)
class Settings:
    """How a series is cut off and summed.

    Attributes:
        modes: the modes that are kept.
        precision: the error η that an exponential may have.
    """

    modes: Modes
    precision: float

    @property
    def rounding(self) -> float:
        """The error of an exponential in float64 by rounding, of points within a few periods of the origin."""
        return 1e-15 * (1 + sum(self.modes.widths))


def settle(
    kernel: Kernel, boundary: Boundary, dimension: int, box: Callable[[], Box], demands: Sequence[Demand]
) -> Settings:
    """The settings that meet all demands.

    Args:
        kernel: the kernel k.
        boundary: the domain.
        dimension: number of its axes.
        box: gives the corners of the box that holds all points; called if an axis is open.
        demands: the errors that are allowed.

    Raises:
        UnsuitableError: if there are none, with the reason.
    """
    if any(getattr(part, "cutoff", None) is not None for part in kernel.modules()):
        raise UnsuitableError("the transform of a kernel with a cutoff is not known")
    torus = torus_of(kernel, boundary, dimension, box, demands)
    constant_mode(kernel, torus.lengths)
    modes = Modes(torus.lengths, _widths(kernel, torus.lengths, demands), torus.origin)
    sums = _absolute_sums(kernel, modes, [demand.order for demand in demands])
    precisions = (demand.transforms / total for demand, total in zip(demands, sums, strict=True) if total > 0.0)
    return Settings(modes, min(precisions, default=1.0))


def coefficients(kernel: Kernel, modes: Modes, device: torch.device) -> Tensor:
    """cₖ on the modes, differentiable in the kernel's parameters.

    Raises:
        UnsuitableError: if they are not known.
    """
    lengths = torch.tensor(modes.lengths, dtype=torch.float64, device=device)
    known = kernel.coefficients(modes.squared_frequencies(device), lengths)
    if known is None:
        raise UnsuitableError("the kernel's Fourier transform is not known")
    return known


@torch.no_grad()
def constant_mode(kernel: Kernel, lengths: tuple[float, ...]) -> float:
    """``|c₀|``.

    Raises:
        UnsuitableError: if the transform is not known.
    """
    zeros = (0.0,) * len(lengths)
    return abs(coefficients(kernel, Modes(lengths, (0,) * len(lengths), zeros), _device(kernel)).item())


@torch.no_grad()
def _absolute_sums(kernel: Kernel, modes: Modes, orders: Sequence[int]) -> list[float]:
    """``Σ |ωₖ|ᵐ |cₖ|`` over the modes, for each order m."""
    sizes = coefficients(kernel, modes, _device(kernel)).abs()
    frequencies = modes.squared_frequencies(sizes.device).sqrt()
    return [(sizes * frequencies).sum().item() if order else sizes.sum().item() for order in orders]


def _device(kernel: Kernel) -> torch.device:
    """Where the kernel's parameters are."""
    return next((tensor.device for tensor in (*kernel.parameters(), *kernel.buffers())), torch.device("cpu"))


def _widths(kernel: Kernel, lengths: tuple[float, ...], demands: Sequence[Demand]) -> tuple[int, ...]:
    """The fewest modes, in a cube of frequencies, that leave out no more than is allowed."""
    spacing = 2.0 * math.pi / max(lengths)

    def enough(number: int) -> bool:
        return all(kernel.tail(number * spacing, lengths, demand.order) <= demand.share for demand in demands)

    low, high = -1, 0
    while not enough(high):
        low, high = high, max(1, 2 * high)
        if _count(_within(low * spacing, lengths)) > MOST_MODES:
            _refuse(kernel, lengths, demands)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    widths = _within(high * spacing, lengths)
    if _count(widths) > MOST_MODES:
        raise UnsuitableError(f"it needs {_count(widths):.1e} modes, and more than {MOST_MODES:.1e} do not fit")
    return widths


def _within(frequency: float, lengths: tuple[float, ...]) -> tuple[int, ...]:
    """The largest integers k with ``2πk/L`` up to a frequency, also where rounding hides that the two are equal."""
    return tuple(math.floor(frequency * length / (2.0 * math.pi) * (1.0 + 1e-12)) for length in lengths)


def _count(widths: tuple[int, ...]) -> int:
    return math.prod(2 * width + 1 for width in widths)


def _refuse(kernel: Kernel, lengths: tuple[float, ...], demands: Sequence[Demand]) -> NoReturn:
    for demand in demands:
        if math.isinf(kernel.tail(0.0, lengths, demand.order)):
            what = "field" if demand.order else "potential"
            raise UnsuitableError(
                f"the modes of the {what} fall too slowly for a bound of their sum, or no bound is known"
            )
    raise UnsuitableError(f"it needs more than {MOST_MODES:.1e} modes, which do not fit")
