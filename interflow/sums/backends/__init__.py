"""The backends: one file each."""

from interflow.sums.backends.auto import CANDIDATES, Auto, repeated
from interflow.sums.backends.base import Backend, Request
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.keops import Keops
from interflow.sums.backends.registry import BACKENDS, backend_key, backend_of

__all__ = [
    "BACKENDS",
    "CANDIDATES",
    "Auto",
    "Backend",
    "Compiled",
    "Dense",
    "Keops",
    "Request",
    "backend_key",
    "backend_of",
    "repeated",
]
