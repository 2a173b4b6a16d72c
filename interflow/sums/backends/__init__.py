"""The backends: one file each. Importing them here, in the order in which `auto` looks at them, registers them."""

from interflow.sums.backends.auto import Auto

from interflow.sums.backends.dense import Dense  # isort: skip
from interflow.sums.backends.compiled import Compiled  # isort: skip
from interflow.sums.backends.keops import Keops  # isort: skip
from interflow.sums.backends.fourier import Fourier  # isort: skip
from interflow.sums.backends.nufft import Nufft  # isort: skip
from interflow.sums.backends.sorted import Sorted  # isort: skip
from interflow.sums.backends.base import (
    BACKENDS,
    FLOOR,
    Backend,
    backend_key,
    backend_of,
    for_repeated_calls,
    register_backend,
)
from interflow.sums.backends.fast import FastBackend
from interflow.sums.backends.loop import LoopBackend

__all__ = [
    "BACKENDS",
    "FLOOR",
    "Auto",
    "Backend",
    "Compiled",
    "Dense",
    "FastBackend",
    "Fourier",
    "Keops",
    "LoopBackend",
    "Nufft",
    "Sorted",
    "backend_key",
    "backend_of",
    "for_repeated_calls",
    "register_backend",
]
