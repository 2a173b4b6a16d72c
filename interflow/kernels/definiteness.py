"""Whether a kernel is positive definite on a torus.

Sampling a positive definite function on a regular grid of the torus gives Fourier coefficients that are not negative,
whatever the grid. A clearly negative one is therefore a proof that the kernel is not positive definite there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels.base import Kernel

_SAMPLES = {1: 512, 2: 64, 3: 32}  # an axis, by the number of axes that are sampled


@torch.no_grad()
def torus_definiteness(kernel: Kernel, boundary: Boundary, dimension: int) -> float | None:
    """The least Fourier coefficient of ``k(δ)``, divided by the largest in magnitude; the constant mode is left out.

    The periodic axes are sampled, three at most, with no displacement along the others: a kernel that is not definite
    on this part of the domain is not definite on the whole.

    Args:
        kernel: the kernel.
        boundary: the domain.
        dimension: its number d of axes.

    Returns:
        A number in [−1, 1]; negative beyond round-off where the kernel is not (conditionally) positive definite. None
        where no axis is periodic, the kernel is singular, or all coefficients are 0.

    Example:
        >>> from interflow import DistanceKernel, PeriodicBoundary
        >>> round(torus_definiteness(DistanceKernel(), PeriodicBoundary(1.0), dimension=2), 3)
        -0.118
    """
    kernel.check_domain(boundary, dimension)
    periods = boundary.periods(dimension)
    periodic = [axis for axis in range(dimension) if periods[axis].isfinite()][:3]
    if not periodic or kernel.at_zero(dimension) is None:
        return None
    points = _grid(periods, periodic)
    displacement = boundary.displacement(points, torch.zeros_like(points)).unbind(-1)
    coefficients = torch.fft.fftn(kernel.evaluate_on(boundary, displacement)).real.flatten()[1:]
    largest = coefficients.abs().max()
    return (coefficients.min() / largest).item() if largest > 0 else None


def stays_definite(kernel: Kernel, boundary: Boundary, dimension: int) -> bool:
    """Whether the kernel is known to be as definite on the domain as in open space, without a sample.

    By Poisson's formula a sum over all images has the transform of the kernel, at the frequencies of the torus.
    """
    periods = boundary.periods(dimension)
    if not bool(periods.isfinite().any()):
        return True
    if not kernel.definite:
        return False
    return boundary.image_periods(dimension) is not None or kernel.image_tail(tuple(periods.tolist()), 0, 0) == 0.0


def _grid(periods: Tensor, periodic: list[int]) -> Tensor:
    """Regular points over one period of some axes, 0 on the others; shape ``(n, …, n, d)``."""
    samples = _SAMPLES[len(periodic)]
    fractions = torch.arange(samples, dtype=torch.float64, device=periods.device) / samples
    axes = torch.meshgrid(*(fractions * periods[axis] for axis in periodic), indexing="ij")
    points = periods.new_zeros(*axes[0].shape, len(periods))
    points[..., periodic] = torch.stack(axes, dim=-1)
    return points
