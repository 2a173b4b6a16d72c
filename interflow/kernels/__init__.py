"""The kernels: one formula a file."""

from interflow.kernels.algebra import ScaledKernel, SumKernel
from interflow.kernels.base import Kernel, RadialKernel
from interflow.kernels.gaussian import GaussianKernel

__all__ = ["GaussianKernel", "Kernel", "RadialKernel", "ScaledKernel", "SumKernel"]
