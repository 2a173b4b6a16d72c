"""The modes and the precision that a tolerance needs, from closed-form bounds and before any sum.

With ``W = Σ|wⱼ|`` and m = 0 for the potential, 1 for the field, the error at a point is at most W times

- ``Σ |ωₖ|ᵐ |cₖ|`` over the modes that are left out: a twentieth of what is allowed;
- ``Σ |∇ᵐ k|`` over the images that the series has and the domain has not: a twentieth;
- ``Σ ηₖ |ωₖ|ᵐ |cₖ|`` over the modes that are kept, with the errors ηₖ of the exponentials of an analysis: half of the
  rest;
- ``Σ ηₖ |ωₖ|ᵐ |cₖ ŵₖ| / W`` with the errors of a synthesis: the other half. Where a cloud is spread out, ŵ is far under
  W for most modes, and a coarser synthesis is enough; that is seen once ŵ is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import BackendError
from interflow.kernels import Kernel
from interflow.sums.series.demands import Demand, UnsuitableError
from interflow.sums.series.modes import Modes
from interflow.sums.series.torus import Box, torus_of
from interflow.sums.series.transform import Accuracy

MOST_MODES = 25_000_000
"""Modes that still fit: 0.4 GB of coefficients, and some times that in a fast transform."""


@dataclass(frozen=True)
class Settings:
    """How a series is cut off and summed.

    Attributes:
        modes: the modes that are kept.
        accuracy: how right the exponentials of an analysis must be.
        errors: what a synthesis may add at a point, relative to ``Σ|wⱼ|``, by the order m.
    """

    modes: Modes
    accuracy: Accuracy
    errors: tuple[float, ...]


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
    return Settings(
        modes,
        _accuracy(kernel, modes, demands),
        tuple(demand.transforms for demand in demands if demand.analysis is None),
    )


@dataclass(frozen=True, eq=False)
class Limit:
    """To which order the sums of a series may be differentiated by points.

    Attributes:
        kernel: the kernel.
        modes: the modes that are kept.
        settled: the order up to which they were chosen to be enough.
        share: what may be left out of derivatives of higher order m, as a part of ``Σ |ωₖ|ᵐ |cₖ|``, their bound.
    """

    kernel: Kernel
    modes: Modes
    settled: int
    share: float

    def check(self, order: int) -> None:
        """Raise `BackendError` unless derivatives of this order keep their share."""
        if order <= self.settled:
            return
        widths = zip(self.modes.widths, self.modes.lengths, strict=True)
        last = min((width + 0.5) * 2.0 * math.pi / length for width, length in widths)
        left_out = self.kernel.tail(last, self.modes.lengths, order)
        allowed = self.share * derivative_bound(self.kernel, self.modes, order)
        if not left_out <= allowed:
            raise BackendError(
                f"Derivatives of order {order} of this sum are not within its tolerance: waves that are left out may "
                f"change them by {left_out:.1e}·Σ|w|, more than {allowed:.1e}. Take the backend dense or compiled, or "
                "no tolerance."
            )


@torch.no_grad()
def derivative_bound(kernel: Kernel, modes: Modes, order: int) -> float:
    """``Σ |ωₖ|ᵐ |cₖ|`` over the modes: no derivative of order m of the sum over them is larger."""
    return float(modes.weighted(coefficients(kernel, modes, _device(kernel)).abs(), order).sum())


def coefficients(kernel: Kernel, modes: Modes, device: torch.device) -> Tensor:
    """cₖ on the modes, differentiable in the kernel's parameters.

    Raises:
        UnsuitableError: if they are not known.
    """
    lengths = torch.tensor(modes.lengths, dtype=torch.float64, device=device)
    known = kernel.coefficients(modes.frequencies(device), lengths)
    if known is None:
        periods = ", ".join(f"{length:.12g}" for length in modes.lengths)
        raise UnsuitableError(f"the kernel's Fourier transform is not known on a torus of the periods {periods}")
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
def _accuracy(kernel: Kernel, modes: Modes, demands: Sequence[Demand]) -> Accuracy:
    """What meets all demands for any ŵ, with the weights ``|ωₖ|ᵐ |cₖ|``."""
    sizes = coefficients(kernel, modes, _device(kernel)).abs()
    found = [Accuracy.of(demand.transforms, modes.weighted(sizes, demand.order)) for demand in demands]
    return Accuracy(min(one.precision for one in found), max(one.edge for one in found))


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
            raise UnsuitableError(
                f"the modes of {demand.name} fall too slowly for a bound of their sum, or no bound is known"
            )
    raise UnsuitableError(f"it needs more than {MOST_MODES:.1e} modes, which do not fit")
