"""What carries out sums over modes and points: the interface of all ways to do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from interflow.sums.series.modes import Modes


@dataclass(frozen=True)
class Accuracy:
    """How right exponentials must be in sums with the weights g of the modes: ``Σₖ gₖ ηₖ ≤ precision · Σₖ gₖ``.

    Attributes:
        precision: the error η that an exponential may have on the average.
        edge: the part of the weights with ``|kₐ| > Kₐ/2``, summed over the axes a: at most d, which any more means too.
    """

    precision: float
    edge: float

    @classmethod
    def of(cls, error: float, weights: Tensor, folded: bool = False) -> Accuracy:
        """What keeps ``Σₖ gₖ ηₖ`` under an error.

        Args:
            error: of the sum.
            weights: g, in the shape of the modes.
            folded: whether they are even and only those of ``k₁ ≥ 0`` are there, twice each but for ``k₁ = 0``.
        """
        total = weights.sum().item()
        if not total > 0.0:
            return cls(1.0, 0.0)
        inner = sum(_inner_half(weights, axis, folded).sum().item() for axis in range(weights.ndim))
        return cls(min(error / total, 1.0), max(weights.ndim - inner / total, 0.0))

    def less(self, rounding: float) -> Accuracy:
        """What is left where rounding adds to every error."""
        return Accuracy(max(self.precision - rounding, 0.0), self.edge)


def _inner_half(weights: Tensor, axis: int, folded: bool) -> Tensor:
    if folded and axis == 0:
        return weights[: (weights.shape[0] - 1) // 2 + 1]
    width = weights.shape[axis] // 2
    half = width // 2
    return weights.narrow(axis, width - half, 2 * half + 1)


class Samples(ABC):
    """The exponentials ``exp(i ωₖ·xⱼ)`` at fixed points, as a pair of maps. Neither keeps a graph."""

    @abstractmethod
    def analyse(self, weights: Tensor) -> Tensor:
        """``ŵₖ = Σⱼ wⱼ exp(−i ωₖ·xⱼ)``: from ``(batch, n, N)``, float64, to complex ``(batch, n, *modes)``."""

    @abstractmethod
    def synthesise(self, coefficients: Tensor, accuracy: Accuracy | None = None, real: bool = False) -> Tensor:
        """``uⱼ = Re Σₖ gₖ exp(i ωₖ·xⱼ)``: from complex ``(batch, n, *modes)`` to ``(batch, n, N)``, float64.

        Args:
            coefficients: g.
            accuracy: what is enough this time; None for the adjoint of `analyse`, as right as that.
            real: whether the sums are known to be real, ``g₋ₖ = gₖ*``.
        """


class Transform(ABC):
    """A way to carry out both maps."""

    @abstractmethod
    def at(self, points: Tensor, modes: Modes) -> Samples:
        """What does the work at these points, ``(batch, d, N)`` of any floating dtype; it serves any number of maps."""
