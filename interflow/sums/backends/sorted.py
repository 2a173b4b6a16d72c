"""Sums over sorted points: exact on the line and on the circle, by slices in more dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final, get_args

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ReflectingBoundary
from interflow.errors import ArgumentError, BackendError
from interflow.sums.autograd import note_backend
from interflow.sums.backends.base import FLOOR, Backend, Factors, register_backend
from interflow.sums.backends.fast import LONGEST, FastBackend, check_longest, tolerance_needed, weights_reason
from interflow.sums.cache import ValueCache
from interflow.sums.pairsum import PairSum
from interflow.sums.sorted import (
    DISTANCE,
    Circle,
    Line,
    Sampling,
    Slices,
    Term,
    check_count,
    drawn,
    planar_error,
    planar_slope_error,
    seed_of,
    terms_of,
)
from interflow.validation import can_read, check_choice


@register_backend
@final
@dataclass(frozen=True)
class Sorted(FastBackend):
    """Sums of distances, and of exponentials of them, over sorted points, in O((N + M) log (N + M)).

    In one dimension it is exact up to round-off, for the distance kernel with p = 1, Laplacian, Matérn and Morse
    kernels and their sums: on the line, on the circle with nearest images, and for those that decay with all images.
    It can be differentiated to any order.

    In more dimensions, in open space, it sums the distance kernel by slices: averages over directions of sums of
    one-dimensional distances. In the plane, a fan of P equally spaced directions has every distance within 0.82/P² and
    the gradient of every distance, a unit vector, within 1.6/P. Directions of space have an error that is only
    statistical (see `interflow.sliced_energy_distance` for its size), so they are used only where their number is
    given, and so is a fan without a tolerance. These sums are differentiated once.

    Args:
        directions: P, how many slices; None where a tolerance decides, and in one dimension.
        sampling: ``"design"``, a fan in the plane and turned orthonormal frames elsewhere; ``"random"``, independent
            directions; ``"quasi"``, a scrambled Sobol' sequence.
        redraw: whether each new set of points x meets new directions, which are drawn from the seed and the bits of x:
            a flow then averages over directions as it goes, and repeats to the bit from any of its states.
        seed: what the directions are drawn from.
        longest: predicted seconds past which a sum is refused.

    Raises:
        ArgumentError: for a number of directions that is none, or an unknown sampling.

    Example:
        >>> import torch
        >>> from interflow import DistanceKernel, potential
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> potential(DistanceKernel(), x, x, backend=Sorted())
        tensor([-0.5000, -0.5000])
    """

    directions: int | None = None
    sampling: Sampling = "design"
    redraw: bool = False
    seed: int = 0
    longest: float = LONGEST
    name = "sorted"

    def __post_init__(self) -> None:
        if self.directions is not None:
            check_count("directions", self.directions)
        check_longest(self.longest)
        check_choice("sampling", self.sampling, get_args(Sampling))

    def missing_option(self, dimension: int, tolerance: float | None) -> ArgumentError | None:
        if dimension == 1 or self.directions is not None:
            return None
        if dimension > 2 or self.sampling != "design":
            wanted = f"their number, such as 64: in {dimension} dimensions the error of these is statistical"
            return ArgumentError("directions", came="none", wanted=wanted)
        return tolerance_needed(self.name) if tolerance is None else None

    def select(self, pairs: PairSum) -> Backend:
        if self.directions is None or pairs.dimension == 1 or pairs.tolerance is not None:
            return super().select(pairs)
        obstacle = self.unsupported_reason(pairs)
        if obstacle is not None:
            raise BackendError(f"The backend {self.name} cannot run this sum: {obstacle}.")
        return self  # to give a number of directions is to ask for slices

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        if (vectors := weights_reason(pairs)) is not None:
            return vectors
        if not can_read(pairs.x, pairs.y):
            return "it sorts values, which cannot be read inside torch.compile or torch.func"
        if pairs.device == "mps":
            return "it computes in float64, which mps has not"
        terms = terms_of(pairs.kernel)
        if terms is None:
            return "the kernel is no sum of distances and of exponentials of them"
        if pairs.dimension == 1:
            return _obstacle_on_the_line(pairs, terms)
        return self._obstacle_in_space(pairs, terms)

    def error_bound(self, pairs: PairSum) -> float:
        if pairs.dimension == 1:
            return 0.0
        count = self._count(pairs)
        if pairs.dimension > 2 or self.sampling != "design" or count is None:
            return math.inf
        return (planar_slope_error(count) if pairs.order else planar_error(count)) / FLOOR

    def run_seconds(self, pairs: PairSum) -> float:
        points = pairs.batch * (pairs.row_count + pairs.column_count)
        if pairs.dimension > 1:
            return 2e-3 + 8e-8 * points * (self._count(pairs) or 0)
        scans = sum(
            len(term.profile.coefficients) * (1.0 + pairs.order * (1.0 if term.profile.decaying else 0.2))
            for term in terms_of(pairs.kernel) or ()
        )
        turns = 1.0 if _circle(pairs.boundary) is None else 2.5
        return turns * (1e-3 + 4e-4 * scans + points * (1.1e-7 + 3e-8 * scans))

    def potential_of_all(self, pairs: PairSum) -> Tensor:
        return self._sums(pairs).potential()

    def gradient_of_all(self, pairs: PairSum) -> Tensor:
        return self._sums(pairs).gradient()

    def potential_and_gradient_of_all(self, pairs: PairSum) -> tuple[Tensor, Tensor]:
        sums = self._sums(pairs)
        return sums.potential(), sums.gradient()

    def kernel_distance(
        self, pairs: PairSum, factors: Factors, self_pairs: bool, cache: ValueCache[Tensor] | None
    ) -> Tensor:
        """One form of both clouds, y with negative weights, from a single sort.

        It is a discrepancy ``D = 2C − S``, of which slices that are right to ε change no more than
        ``ε (2C + S) = ε (D + 2S)``: half of a tolerance keeps that under ``tolerance · (D + 0.01·S)``.
        """
        if not self_pairs or factors != (1.0, 1.0) or pairs.row_weights is None:
            return super().kernel_distance(pairs, factors, self_pairs, cache)
        points, weights = torch.cat([pairs.x, pairs.y], -1), torch.cat([pairs.row_weights, -pairs.weights], -1)
        tolerance = None if pairs.tolerance is None else 0.5 * pairs.tolerance
        both = replace(pairs, rows=(points,), columns=(points, weights), row_weights=None, tolerance=tolerance)
        order = int(both.is_differentiated)
        both = both.asked(order, highest=order)
        self.select(both)  # or it says why not
        note_backend(self.name)
        return self._sums(both).form().to(pairs.dtype)

    def _sums(self, pairs: PairSum) -> Line | Slices:
        terms = terms_of(pairs.kernel)
        if terms is None:
            raise BackendError(f"The backend {self.name} cannot sum this kernel.")
        if pairs.x.shape[1] == 1:
            return Line.of(terms, _circle(pairs.boundary), pairs.x, pairs.y, pairs.weights)
        scale = sum(term.scale for term in terms)
        seed = seed_of(self.seed, pairs.x) if self.redraw else self.seed
        count = self._count(pairs)
        assert count is not None
        return Slices(scale, drawn(count, pairs.x.shape[1], self.sampling, seed), pairs.x, pairs.y, pairs.weights)

    def _count(self, pairs: PairSum) -> int | None:
        """How many directions; None where nothing says so."""
        if self.directions is not None or pairs.tolerance is None or pairs.dimension > 2:
            return self.directions
        allowed = FLOOR * pairs.tolerance
        leading = math.pi / 2.0 / allowed if pairs.order else math.pi / math.sqrt(12.0 * allowed)
        return math.ceil(leading) + 1  # which covers the higher orders of both bounds

    def _obstacle_in_space(self, pairs: PairSum, terms: list[Term]) -> str | None:
        if any(term.profile != DISTANCE for term in terms):
            return "in more than one dimension it sums the distance kernel with p = 1 alone"
        if not isinstance(pairs.boundary, OpenBoundary | ReflectingBoundary):
            return "slices do not apply to a periodic domain"
        if self.directions is None and (pairs.dimension > 2 or self.sampling != "design"):
            return "the error of these directions is statistical: give their number, Sorted(directions=64)"
        if pairs.tolerance is not None and pairs.highest > 1:
            return "sums by slices are differentiated once"
        if self.directions is None and pairs.tolerance is None:
            return "slices approximate: give their number, Sorted(directions=64), or a tolerance"
        if pairs.tolerance is not None and self.error_bound(pairs) > pairs.tolerance:
            return f"{self.directions} directions promise {self.error_bound(pairs):.1e}"
        return None


def _obstacle_on_the_line(pairs: PairSum, terms: list[Term]) -> str | None:
    boundary = pairs.boundary
    if isinstance(boundary, OpenBoundary | ReflectingBoundary):
        return None
    if not isinstance(boundary, PeriodicBoundary):
        return "it knows the line and the circle"
    if boundary.lengths.requires_grad:
        return "it has no derivatives by the length of the circle"
    if boundary.images == "nearest":
        return None
    if not all(term.profile.decaying for term in terms):
        return "a distance has no sum over all images"
    length = float(boundary.lengths.detach())
    if any(float(term.rate.detach()) * length < 1.0 for term in terms if term.rate is not None):
        return "the kernel is wider than the circle, where its sums over all images cancel"
    return None


def _circle(boundary: Boundary) -> Circle | None:
    return Circle.of(boundary) if isinstance(boundary, PeriodicBoundary) else None
