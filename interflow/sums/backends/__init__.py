"""The backends: one file each."""

from interflow.sums.backends.auto import APPROXIMATIONS, CANDIDATES, Auto
from interflow.sums.backends.base import (
    FLOOR,
    Approximation,
    Backend,
    Options,
    PairBackend,
)
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.fourier import Fourier
from interflow.sums.backends.keops import Keops
from interflow.sums.backends.nufft import Nufft
from interflow.sums.backends.registry import BACKENDS, backend_key, backend_of, pair_backend_of, repeated
from interflow.sums.backends.series import SeriesBackend
from interflow.sums.backends.sorted import Sorted

__all__ = [
    "APPROXIMATIONS",
    "BACKENDS",
    "CANDIDATES",
    "FLOOR",
    "Approximation",
    "Auto",
    "Backend",
    "Compiled",
    "Dense",
    "Fourier",
    "Keops",
    "Nufft",
    "Options",
    "PairBackend",
    "SeriesBackend",
    "Sorted",
    "backend_key",
    "backend_of",
    "pair_backend_of",
    "repeated",
]
