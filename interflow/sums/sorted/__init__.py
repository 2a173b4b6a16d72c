"""Sums over sorted points: distances and exponentials of them, on the line, on the circle, and by slices."""

from interflow.sums.sorted.ascending import ascending
from interflow.sums.sorted.directions import (
    Sampling,
    check_count,
    directions,
    drawn,
    planar_error,
    planar_slope_error,
    seed_of,
)
from interflow.sums.sorted.line import Line
from interflow.sums.sorted.passes import centre_of_mass, sliced_energies
from interflow.sums.sorted.profile import DISTANCE, Profile, Term, terms_of
from interflow.sums.sorted.sides import Circle
from interflow.sums.sorted.signed import difference
from interflow.sums.sorted.slices import Slices

__all__ = [
    "DISTANCE",
    "Circle",
    "Line",
    "Profile",
    "Sampling",
    "Slices",
    "Term",
    "ascending",
    "centre_of_mass",
    "check_count",
    "difference",
    "directions",
    "drawn",
    "planar_error",
    "planar_slope_error",
    "seed_of",
    "sliced_energies",
    "terms_of",
]
