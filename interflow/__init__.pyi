from .boundaries import Boundary as Boundary
from .boundaries import OpenBoundary as OpenBoundary
from .boundaries import PeriodicBoundary as PeriodicBoundary
from .kernels import GaussianKernel as GaussianKernel
from .kernels import Kernel as Kernel
from .kernels import RadialKernel as RadialKernel
from .parameters import PositiveParameter as PositiveParameter
