"""The kernels: one formula a file."""

from interflow.kernels.bandlimited_energy import BandlimitedEnergyKernel
from interflow.kernels.base import Kernel, ProductKernel, RadialKernel, ScaledKernel, SumKernel
from interflow.kernels.definiteness import stays_definite, torus_definiteness
from interflow.kernels.distance import DistanceKernel
from interflow.kernels.gaussian import GaussianKernel
from interflow.kernels.interaction import Interaction
from interflow.kernels.inverse_multiquadric import InverseMultiquadricKernel
from interflow.kernels.inverse_power import InversePowerKernel
from interflow.kernels.laplacian import LaplacianKernel
from interflow.kernels.lennard_jones import LennardJonesKernel
from interflow.kernels.logarithmic import LogarithmicKernel
from interflow.kernels.matern import MaternKernel
from interflow.kernels.morse import MorseKernel
from interflow.kernels.polynomial import InnerProductKernel, LinearKernel, PolynomialKernel
from interflow.kernels.power_law import PowerLawKernel
from interflow.kernels.profile import ProfileKernel
from interflow.kernels.soft_sphere import SoftSphereKernel
from interflow.kernels.wendland import WendlandKernel
from interflow.kernels.yukawa import YukawaKernel

__all__ = [
    "BandlimitedEnergyKernel",
    "DistanceKernel",
    "GaussianKernel",
    "InnerProductKernel",
    "Interaction",
    "InverseMultiquadricKernel",
    "InversePowerKernel",
    "Kernel",
    "LaplacianKernel",
    "LennardJonesKernel",
    "LinearKernel",
    "LogarithmicKernel",
    "MaternKernel",
    "MorseKernel",
    "PolynomialKernel",
    "PowerLawKernel",
    "ProductKernel",
    "ProfileKernel",
    "RadialKernel",
    "ScaledKernel",
    "SoftSphereKernel",
    "SumKernel",
    "WendlandKernel",
    "YukawaKernel",
    "stays_definite",
    "torus_definiteness",
]
