"""What carries out sums over modes and points: the interface of all ways to do it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from interflow.sums.series.modes import Modes


class Samples(ABC):
    """The exponentials ``exp(i ωₖ·xⱼ)`` at fixed points, as a pair of adjoint maps. Neither keeps a graph."""

    @abstractmethod
    def analyse(self, weights: Tensor) -> Tensor:
        """``ŵₖ = Σⱼ wⱼ exp(−i ωₖ·xⱼ)``: from ``(batch, n, N)``, float64, to complex ``(batch, n, *modes)``."""

    @abstractmethod
    def synthesise(self, coefficients: Tensor) -> Tensor:
        """``uⱼ = Re Σₖ gₖ exp(i ωₖ·xⱼ)``: from complex ``(batch, n, *modes)`` to ``(batch, n, N)``, float64."""


class Transform(ABC):
    """A way to carry out both maps."""

    @abstractmethod
    def at(self, points: Tensor, modes: Modes) -> Samples:
        """What does the work at these points, ``(batch, d, N)`` of any floating dtype; it serves any number of maps."""
