"""Built-in kinds of every family, and the distributions of initial positions."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from pydantic import Field
from torch import Tensor

from interflow import boundaries, discrepancies, energies, integrators, kernels, reporters, schedules
from interflow.config.fields import Number
from interflow.config.model import Family, add_family
from interflow.config.registry import from_object, register
from interflow.errors import ArgumentError
from interflow.parameters import finite, positive
from interflow.sums import backends

__all__ = [
    "BACKENDS",
    "BOUNDARIES",
    "DISTRIBUTIONS",
    "ENERGIES",
    "INTEGRATORS",
    "OBSERVABLES",
    "SCHEDULES",
    "Family",
    "from_object",
    "register",
]


class Distribution(ABC):
    """A law of independent points. A subclass writes `sample`."""

    @abstractmethod
    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw points ``(N, d)`` on the generator's device."""


class Uniform(Distribution):
    """Uniform in the box ``[lower, upper)``.

    Args:
        lower: lower corner, one number for all axes or one for each.
        upper: upper corner, one number for all axes or one for each.
    """

    def __init__(self, lower: float | Tensor = 0.0, upper: float | Tensor = 1.0) -> None:
        self.lower = finite("lower", lower)
        self.upper = finite("upper", upper)
        if not bool((self.upper > self.lower).all()):
            raise ArgumentError("upper", came=upper, wanted=f"more than `lower`, which is {lower}")

    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        lower, upper = _corner("lower", self.lower, shape, dtype), _corner("upper", self.upper, shape, dtype)
        return lower + (upper - lower) * torch.rand(shape, generator=generator, dtype=dtype)


class Normal(Distribution):
    """Normal with independent axes.

    Args:
        mean: centre, one number for all axes or one for each.
        deviation: standard deviation, one number for all axes or one for each.
    """

    def __init__(self, mean: float | Tensor = 0.0, deviation: float | Tensor = 1.0) -> None:
        self.mean = finite("mean", mean)
        self.deviation = positive("deviation", deviation)

    def sample(self, shape: tuple[int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        mean, deviation = _corner("mean", self.mean, shape, dtype), _corner("deviation", self.deviation, shape, dtype)
        return mean + deviation * torch.randn(shape, generator=generator, dtype=dtype)


def _corner(name: str, value: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    if value.ndim == 1 and len(value) != shape[1]:
        raise ArgumentError(
            name, came=f"{len(value)} numbers", wanted=f"{shape[1]}, one for each axis of the particles"
        )
    return value.to(dtype)


_FROM_THE_ROOT = frozenset({"boundary", "backend", "tolerance"})

_TOLERANCE = (
    Number | None,
    Field(None, gt=0.0, lt=1.0, description="the relative error that sums may have; none for exact ones."),
)

BACKENDS = add_family(Family("backend", backends.Backend, extras={"tolerance": _TOLERANCE}))
BOUNDARIES = add_family(Family("boundary", boundaries.Boundary, squared=True))
KERNELS = add_family(Family("kernel", kernels.Kernel, scaled=kernels.ScaledKernel, squared=True))
DISCREPANCIES = add_family(Family("discrepancy", discrepancies.Discrepancy, inherited=_FROM_THE_ROOT))
ENERGIES = add_family(Family("energy", energies.Energy, scaled=energies.ScaledEnergy, inherited=_FROM_THE_ROOT))
INTEGRATORS = add_family(Family("integrator", integrators.Integrator))
OBSERVABLES = add_family(Family("observable", reporters.Observable, inherited=frozenset({"boundary", "energy"})))
SCHEDULES = add_family(Family("schedule", schedules.Schedule))
DISTRIBUTIONS = add_family(Family("distribution", Distribution))

for _name, _backend in backends.BACKENDS.items():
    register(_name)(_backend)

register("open")(boundaries.OpenBoundary)
register("periodic")(boundaries.PeriodicBoundary)
register("reflecting")(boundaries.ReflectingBoundary)
register("product")(boundaries.ProductBoundary)

register("gaussian")(kernels.GaussianKernel)
register("laplacian")(kernels.LaplacianKernel)
register("matern")(kernels.MaternKernel)
register("distance")(kernels.DistanceKernel)
register("inverse_multiquadric")(kernels.InverseMultiquadricKernel)
register("logarithmic")(kernels.LogarithmicKernel)
register("inverse_power")(kernels.InversePowerKernel)
register("morse")(kernels.MorseKernel)
register("lennard_jones")(kernels.LennardJonesKernel)
register("soft_sphere")(kernels.SoftSphereKernel)
register("wendland")(kernels.WendlandKernel)
register("yukawa")(kernels.YukawaKernel)
register("power_law")(kernels.PowerLawKernel)
register("polynomial", names={"scale": "inner_scale"})(kernels.PolynomialKernel)
register("linear")(kernels.LinearKernel)
register("bandlimited_energy")(kernels.BandlimitedEnergyKernel)
register("sum")(kernels.SumKernel)
register("product")(kernels.ProductKernel)

register("mmd")(discrepancies.MMD)
register("energy_distance")(discrepancies.EnergyDistance)
register("sinkhorn")(discrepancies.SinkhornDivergence)
register("sliced_wasserstein")(discrepancies.SlicedWasserstein)

register("interaction")(energies.InteractionEnergy)
register("discrepancy")(energies.DiscrepancyEnergy)
register("sum", names={"energies": "terms"})(energies.SumEnergy)

register("euler")(integrators.Euler)
register("heun")(integrators.Heun)
register("runge_kutta4")(integrators.RungeKutta4)
register("adaptive_runge_kutta")(integrators.AdaptiveRungeKutta)
register("euler_maruyama")(integrators.EulerMaruyama)
register("momentum")(integrators.Momentum)
register("nesterov")(integrators.Nesterov)
register("optimizer")(integrators.NamedOptimizer)

register("mean_speed")(reporters.MeanSpeed)
register("discrepancy")(reporters.DiscrepancyTo)
register("pair_distances")(reporters.PairDistances)
register("fourier_mode")(reporters.FourierMode)
register("polarisation")(reporters.Polarisation)

register("linear")(schedules.LinearSchedule)
register("exponential")(schedules.ExponentialSchedule)
register("cosine")(schedules.CosineSchedule)

register("uniform")(Uniform)
register("normal")(Normal)
