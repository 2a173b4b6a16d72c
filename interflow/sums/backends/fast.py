"""What backends share that give potentials and fields without visiting every pair, within a tolerance."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch import Tensor

from interflow.errors import ArgumentError, BackendError
from interflow.sums.autograd import note_backend
from interflow.sums.backends.base import Backend, with_self_pairs
from interflow.sums.diagonal import self_gradient, self_potential
from interflow.sums.pairsum import PairSum

LONGEST = 600.0
"""Predicted seconds past which a sum is refused, unless an option of the backend says otherwise."""


class FastBackend(Backend):
    """A backend that gives potentials and fields without visiting every pair, differentiable in what they depend on.

    Attributes:
        longest: predicted seconds past which a sum is refused where this backend is asked for by name.
    """

    longest: float
    needs_formula = False

    @abstractmethod
    def potential_of_all(self, pairs: PairSum) -> Tensor:
        """``uᵢ``, the pairs i = j always counted, ``(batch, 1, N)``, in float64 where it has it."""

    @abstractmethod
    def gradient_of_all(self, pairs: PairSum) -> Tensor:
        """``∇ₓ uᵢ``, the pairs i = j always counted, ``(batch, d, N)``."""

    def potential_and_gradient_of_all(self, pairs: PairSum) -> tuple[Tensor, Tensor]:
        """The potential and its gradient, the pairs i = j always counted."""
        return self.potential_of_all(pairs), self.gradient_of_all(pairs)

    def error_bound(self, pairs: PairSum) -> float:
        return math.inf if pairs.tolerance is None else pairs.tolerance

    def select(self, pairs: PairSum) -> Backend:
        reason = self.unsupported_reason(pairs)
        if reason is None and self.error_bound(pairs) > (pairs.tolerance or 0.0):
            reason = "it approximates, and no tolerance was given"
        if reason is None and (seconds := self.run_seconds(pairs)) > self.longest:
            reason = (
                f"it predicts {seconds:.2g} s, more than {self.longest:g}; take a larger tolerance, or let it go on by "
                f"{type(self).__name__}(longest=math.inf)"
            )
        if reason is not None:
            raise BackendError(f"The backend {self.name} cannot run this sum: {reason}.")
        return self

    def pair_sum(self, pairs: PairSum) -> Tensor:
        raise BackendError(f"The backend {self.name} cannot run this sum: it sums kernels, not formulas of a pair.")

    def potential(self, pairs: PairSum) -> Tensor:
        note_backend(self.name)
        return with_self_pairs(self.potential_of_all(pairs), self_potential(pairs, counted=True), pairs)

    def gradient(self, pairs: PairSum) -> Tensor:
        note_backend(self.name)
        return with_self_pairs(self.gradient_of_all(pairs), self_gradient(pairs, counted=True), pairs)

    def potential_and_gradient(self, pairs: PairSum) -> tuple[Tensor, Tensor]:
        note_backend(self.name)
        potential, gradient = self.potential_and_gradient_of_all(pairs)
        return (
            with_self_pairs(potential, self_potential(pairs, counted=True), pairs),
            with_self_pairs(gradient, self_gradient(pairs, counted=True), pairs),
        )

    def quadratic_form(self, pairs: PairSum) -> Tensor:
        return (pairs.weights * self.potential(pairs)).sum((1, 2))

    def bilinear_form(self, pairs: PairSum) -> Tensor:
        assert pairs.row_weights is not None
        return (pairs.row_weights * self.potential(pairs)).sum((1, 2))


def weights_reason(pairs: PairSum) -> str | None:
    """Why weights are not to be summed without visiting every pair; None where each point has one."""
    count = pairs.weights.shape[1]
    return None if count == 1 else f"it sums one weight a point, and here each has {count}"


def tolerance_needed(name: str) -> ArgumentError:
    """What to raise where a backend that approximates is named without a tolerance."""
    wanted = f"a number such as 1e-5, for {name} approximates"
    return ArgumentError("tolerance", came="none", wanted=wanted, remedy="Or take `auto`, which can sum exactly.")


def check_longest(seconds: float) -> None:
    """Raise `ArgumentError` unless it is a positive number of seconds, which may be infinite."""
    if not seconds > 0.0:
        raise ArgumentError("longest", came=seconds, wanted="a positive number of seconds")
