"""Pair sums: potentials, fields and forms, differentiable to any order, and the backends that carry them out."""

from interflow.sums.api import (
    bilinear,
    distance_series,
    field,
    kernel_distance,
    potential,
    potential_and_field,
    quadratic,
)
from interflow.sums.autograd import backends_used, sums_made
from interflow.sums.backends import (
    Auto,
    Backend,
    Compiled,
    Dense,
    FastBackend,
    Fourier,
    Keops,
    LoopBackend,
    Nufft,
    Sorted,
    for_repeated_calls,
    register_backend,
)
from interflow.sums.explanation import Explanation, explain
from interflow.sums.laws import pair_sum
from interflow.sums.pairsum import PairSum, SelfPairs

__all__ = [
    "Auto",
    "Backend",
    "Compiled",
    "Dense",
    "Explanation",
    "FastBackend",
    "Fourier",
    "Keops",
    "LoopBackend",
    "Nufft",
    "PairSum",
    "SelfPairs",
    "Sorted",
    "backends_used",
    "bilinear",
    "distance_series",
    "explain",
    "field",
    "for_repeated_calls",
    "kernel_distance",
    "pair_sum",
    "potential",
    "potential_and_field",
    "quadratic",
    "register_backend",
    "sums_made",
]
