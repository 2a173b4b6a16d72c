"""The backends: one file each."""

from interflow.sums.backends.auto import Auto, repeated
from interflow.sums.backends.base import Backend
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.keops import Keops
from interflow.sums.backends.registry import BACKENDS, backend_key

__all__ = ["BACKENDS", "Auto", "Backend", "Compiled", "Dense", "Keops", "backend_key", "repeated"]
