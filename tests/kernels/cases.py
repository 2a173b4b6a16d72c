"""Every kernel with its formula in NumPy, written from the definition and not from the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.polynomial import Polynomial
from scipy.special import gamma, kv

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
    SoftSphereKernel,
    WendlandKernel,
    YukawaKernel,
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Kernel]
    oracle: Callable[[Array], Array]
    make_learnable: Callable[[], Kernel] | None = None
    at_zero: float | None = None


def matern(nu: float, sigma: float) -> Callable[[Array], Array]:
    def oracle(r: Array) -> Array:
        t = np.sqrt(2 * nu) * r / sigma
        return 2 ** (1 - nu) / gamma(nu) * t**nu * kv(nu, t)

    return oracle


def lennard_jones(r: Array) -> Array:
    return 4 * 0.7 * ((0.3 / r) ** 12 - (0.3 / r) ** 6)


def soft_sphere(alpha: float) -> Callable[[Array], Array]:
    return lambda r: np.where(r < 0.4, 1.5 / alpha * np.maximum(1 - r / 0.4, 0) ** alpha, 0)


def case(
    name: str, oracle: Callable[[Array], Array], make: Callable[..., Kernel], at_zero: float | None = None
) -> Case:
    """A case whose kernel is ``make()`` fixed and ``make(learnable=True)`` learnable."""
    return Case(name, make, oracle, partial(make, learnable=True), at_zero)


def wendland(smoothness: int) -> Callable[[Array], Array]:
    """From their definition (Wendland, 1995): ``φ ↦ ∫ᵣ t φ(t) dt``, k times on ``(1 − t)^(k+2)``; here in u = 1 − t."""
    u = Polynomial([0.0, 1.0])
    profile = u ** (smoothness + 2)
    for _ in range(smoothness):
        profile = ((1.0 - u) * profile).integ()
    return lambda r: profile(np.maximum(1.0 - r / 0.4, 0.0)) / profile(1.0)


def power_law(a: float, b: float) -> Case:
    def term(r: Array, exponent: float) -> Array:
        return np.log(r) if exponent == 0 else r**exponent / exponent

    at_zero = 0.0 if b > 0 else None
    name = f"power-law-{a}-{b}"
    return Case(name, partial(PowerLawKernel, a, b), lambda r: term(r, a) - term(r, b), at_zero=at_zero)


def distance(p: float) -> Case:
    return Case(f"distance-{p}", partial(DistanceKernel, p), lambda r: -(r**p), at_zero=0.0)


def inverse_power(p: float) -> Case:
    return case(f"inverse-power-{p}", lambda r: r**-p, partial(InversePowerKernel, p))


CASES = [
    case("gaussian", lambda r: np.exp(-(r**2) / (2 * 0.3**2)), partial(GaussianKernel, 0.3), 1.0),
    case("laplacian", lambda r: np.exp(-r / 0.3), partial(LaplacianKernel, 0.3), 1.0),
    *(case(f"matern-{nu}", matern(nu, 0.3), partial(MaternKernel, 0.3, nu), 1.0) for nu in (0.5, 1.5, 2.5)),
    *map(distance, (1.0, 0.5, 1.5, 1.3)),
    case("inverse-multiquadric", lambda r: (1 + r**2 / 0.3**2) ** -0.5, partial(InverseMultiquadricKernel, 0.3), 1.0),
    Case("logarithmic", LogarithmicKernel, lambda r: -np.log(r)),
    case(
        "logarithmic-softened",
        lambda r: -0.5 * np.log(r**2 + 0.04),
        partial(LogarithmicKernel, 0.2),
        -0.5 * np.log(0.04),
    ),
    *map(inverse_power, (1.0, 2.0, 3.0, 6.0, 0.5, 1.7)),
    case(
        "inverse-power-softened",
        lambda r: (r**2 + 0.04) ** -0.75,
        partial(InversePowerKernel, 1.5, softening=0.2),
        0.04**-0.75,
    ),
    case("morse", lambda r: 3 * np.exp(-r / 0.2) - np.exp(-r / 0.6), partial(MorseKernel, 1.0, 0.6, 3.0, 0.2), 2.0),
    case("lennard-jones", lennard_jones, partial(LennardJonesKernel, 0.7, 0.3)),
    case(
        "lennard-jones-cut",
        lambda r: np.where(r < 0.45, lennard_jones(r) - lennard_jones(np.array(0.45)), 0),
        partial(LennardJonesKernel, 0.7, 0.3, cutoff=0.45),
    ),
    *(
        case(f"soft-sphere-{alpha}", soft_sphere(alpha), partial(SoftSphereKernel, 1.5, 0.4, alpha), 1.5 / alpha)
        for alpha in (1.0, 2.0, 2.5, 3.0)
    ),
    *(case(f"wendland-{k}", wendland(k), partial(WendlandKernel, 0.4, k), 1.0) for k in range(4)),
    case("yukawa", lambda r: np.exp(-r / 0.3) / r, partial(YukawaKernel, 0.3)),
    *(power_law(a, b) for a, b in ((4.0, 2.0), (2.0, 0.0), (0.0, -1.0), (1.3, 0.5), (3.0, -1.5))),
    Case(
        "sum",
        lambda: 2.0 * GaussianKernel(0.3) - DistanceKernel(),
        lambda r: 2 * np.exp(-(r**2) / (2 * 0.3**2)) + r,
        at_zero=2.0,
    ),
    Case(
        "product",
        lambda: GaussianKernel(0.3) * (2.0 * LaplacianKernel(0.5)),
        lambda r: 2 * np.exp(-(r**2) / (2 * 0.3**2) - r / 0.5),
        at_zero=2.0,
    ),
    Case(
        "product-cut",
        lambda: MorseKernel(1.0, 0.6, 3.0, 0.2) * SoftSphereKernel(1.5, 0.4),
        lambda r: (3 * np.exp(-r / 0.2) - np.exp(-r / 0.6)) * soft_sphere(2.0)(r),
        at_zero=1.5,
    ),
]
NAMES = [case.name for case in CASES]

BOUNDARIES: dict[str, Boundary] = {
    "open": OpenBoundary(),
    "torus": PeriodicBoundary(1.0),
    "long torus": PeriodicBoundary(torch.tensor([1.0, 1.5]), lower=-0.3),
    "box": ReflectingBoundary(0.0, 1.0),
    "channel": ProductBoundary([PeriodicBoundary(1.0), ReflectingBoundary(-1.0, 1.0)]),
}


def crossed(names: str, *values: Sequence[Any], few: Callable[..., bool]) -> pytest.MarkDecorator:
    """All combinations of some arguments: the few that hold each value to the law always, all of them with --full."""
    marked = [pytest.param(*v, marks=[] if few(*v) else [pytest.mark.full]) for v in product(*values)]
    return pytest.mark.parametrize(names, marked)


def cloud(count: int, dimension: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.rand(count, dimension, dtype=torch.float64, generator=generator)
