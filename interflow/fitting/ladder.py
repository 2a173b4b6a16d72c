"""A ladder of bandwidths, from coarse to fine: a wide kernel brings points from afar, a narrow one sets them right."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

from interflow.discrepancies import Discrepancy
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.parameters import Parametrised

DiscrepancyT = TypeVar("DiscrepancyT", bound=Discrepancy)
BANDWIDTH = "sigma"


def rungs(discrepancy: DiscrepancyT, factors: Sequence[float]) -> list[DiscrepancyT]:
    """A copy of the discrepancy for each factor, the bandwidths of its kernels multiplied by it.

    Args:
        discrepancy: what it is at the factor 1.
        factors: such as ``(8, 4, 2, 1)``; none for the discrepancy alone.

    Raises:
        ArgumentError: if a factor is not positive, or no kernel has a bandwidth.

    Example:
        >>> from interflow import GaussianKernel
        >>> from interflow.discrepancies import MMD
        >>> [rung.kernel.sigma.item() for rung in rungs(MMD(GaussianKernel(sigma=0.5)), (4, 1))]
        [2.0, 0.5]
    """
    if not factors:
        return [copy.deepcopy(discrepancy)]
    for factor in factors:
        if not factor > 0:
            raise ArgumentError("ladder", came=factor, wanted="positive factors, such as (8, 4, 2, 1)")
    return [_widened(copy.deepcopy(discrepancy), factor) for factor in factors]


def _widened(discrepancy: DiscrepancyT, factor: float) -> DiscrepancyT:
    kernels = [part for part in discrepancy.modules() if isinstance(part, Parametrised) and BANDWIDTH in part._positive]
    if not kernels:
        named = sorted({type(part).__name__ for part in discrepancy.modules() if isinstance(part, Kernel)})
        of = f" with {' and '.join(named)}" if named else ""
        came = f"{type(discrepancy).__name__}{of}, without a bandwidth `{BANDWIDTH}`"
        remedy = "Take MMD with a GaussianKernel, say; the energy distance acts at all lengths and needs no ladder."
        raise ArgumentError("ladder", came=came, wanted="a discrepancy with a bandwidth", remedy=remedy)
    for kernel in kernels:
        setattr(kernel, BANDWIDTH, factor * getattr(kernel, BANDWIDTH).item())
    return discrepancy
