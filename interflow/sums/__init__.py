"""Pair sums: potentials, fields and forms, differentiable to any order, and the backends that carry them out."""

from interflow.sums.api import bilinear, field, potential, potential_and_field, quadratic
from interflow.sums.backends import (
    Approximation,
    Auto,
    Backend,
    Compiled,
    Dense,
    Fourier,
    Keops,
    Nufft,
    Sorted,
    repeated,
)
from interflow.sums.differences import difference_form
from interflow.sums.explanation import Explanation, explain
from interflow.sums.pairsum import SelfPairs

__all__ = [
    "Approximation",
    "Auto",
    "Backend",
    "Compiled",
    "Dense",
    "Explanation",
    "Fourier",
    "Keops",
    "Nufft",
    "SelfPairs",
    "Sorted",
    "bilinear",
    "difference_form",
    "explain",
    "field",
    "potential",
    "potential_and_field",
    "quadratic",
    "repeated",
]
