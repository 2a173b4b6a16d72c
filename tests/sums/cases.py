"""Kernels, domains and clouds, and the accuracy that a pair sum promises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary
from interflow.kernels import (
    DistanceKernel,
    GaussianKernel,
    InverseMultiquadricKernel,
    InversePowerKernel,
    Kernel,
    LaplacianKernel,
    LennardJonesKernel,
    LogarithmicKernel,
    MaternKernel,
    MorseKernel,
    PowerLawKernel,
    RadialKernel,
    SoftSphereKernel,
    WendlandKernel,
    YukawaKernel,
)
from interflow.parameters import PositiveParameter

KERNELS: dict[str, Callable[[], Kernel]] = {
    "gaussian": partial(GaussianKernel, 0.3, learnable=True),
    "laplacian": partial(LaplacianKernel, 0.3, learnable=True),
    "matern-3/2": partial(MaternKernel, 0.3, 1.5, learnable=True),
    "matern-5/2": partial(MaternKernel, 0.3, 2.5, learnable=True),
    "distance": DistanceKernel,
    "distance-1.3": partial(DistanceKernel, 1.3),
    "inverse-multiquadric": partial(InverseMultiquadricKernel, 0.3, learnable=True),
    "logarithmic": LogarithmicKernel,
    "logarithmic-softened": partial(LogarithmicKernel, 0.2, learnable=True),
    "inverse-power": partial(InversePowerKernel, 1.5, learnable=True),
    "inverse-power-softened": partial(InversePowerKernel, 3, 0.2, learnable=True),
    "morse": partial(MorseKernel, 1.0, 0.6, 3.0, 0.2, learnable=True),
    "lennard-jones": partial(LennardJonesKernel, 0.7, 0.1, learnable=True),
    "lennard-jones-cut": partial(LennardJonesKernel, 0.7, 0.1, cutoff=0.45, learnable=True),
    "soft-sphere": partial(SoftSphereKernel, 1.5, 0.4, learnable=True),
    "soft-sphere-5/2": partial(SoftSphereKernel, 1.5, 0.4, 2.5, learnable=True),
    "wendland-0": partial(WendlandKernel, 0.4, 0, learnable=True),
    "wendland-1": partial(WendlandKernel, 0.4, 1, learnable=True),
    "wendland-3": partial(WendlandKernel, 0.4, 3, learnable=True),
    "yukawa": partial(YukawaKernel, 0.3, learnable=True),
    "power-law": partial(PowerLawKernel, 2.5, 0.5),
    "power-law-singular": partial(PowerLawKernel, 2, 0),
    "product": lambda: GaussianKernel(0.3, learnable=True) * LaplacianKernel(0.5, learnable=True),
    "product-cut": lambda: MorseKernel(1.0, 0.6, 3.0, 0.2, learnable=True) * SoftSphereKernel(1.5, 0.4, learnable=True),
}
SINGULAR = frozenset(name for name, make in KERNELS.items() if make().at_zero() is None)

BOUNDARIES: dict[str, Callable[[int], Boundary]] = {
    "open": lambda d: OpenBoundary(),
    "torus": lambda d: PeriodicBoundary(1.0),
    "box": lambda d: ReflectingBoundary(0.0, 1.0),
    "mixed": lambda d: ProductBoundary([PeriodicBoundary(1.5), ReflectingBoundary(-1.0, 1.0), OpenBoundary()][:d]),
}

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


class Ring(RadialKernel):
    """``(r − R)²``: a kernel of a user's own, with a root that has no derivative at 0."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = PositiveParameter(radius)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance.sqrt() - self.radius).square()


def cloud(count: int, dimension: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Points of the unit cube."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, dimension, dtype=torch.float64, generator=generator).to(dtype)


def signed_weights(count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Weights of both signs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dtype=torch.float64, generator=generator).to(dtype)


def excess(result: Tensor, expected: Tensor, summands: Tensor, weights: Tensor, dtype: torch.dtype) -> float:
    """The error as a multiple of what is promised, ``tolerance · (‖result‖ + 0.01·√N·Σ|w|·sup)``.

    Args:
        result: of the engine.
        expected: in float64.
        summands: the kernel, or its gradient, on every pair, ``(N, M)`` or ``(N, M, d)``; sup is their largest size.
        weights: ``(M,)``.
        dtype: of the positions.
    """
    sizes = summands.detach().reshape(*summands.shape[:2], -1).norm(dim=-1)
    spread = 0.01 * len(expected) ** 0.5 * weights.double().abs().sum() * sizes.max()
    error = (result.detach().double() - expected.detach()).norm()
    return (error / (TOLERANCE[dtype] * (expected.detach().norm() + spread))).item()
