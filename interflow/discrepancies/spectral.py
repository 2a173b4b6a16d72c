"""The maximum mean discrepancy on the modes of a series: ``MMD² = Σₖ cₖ |x̂ₖ − ŷₖ|²``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interflow.sums.series import Series
from interflow.sums.spectra import Spectrum, product


@dataclass(frozen=True)
class Excess:
    """What the unbiased estimate does to ``Σ aᵢaⱼ k(xᵢ,xⱼ)``: it drops ``Σ aᵢ² k(0)`` and multiplies by a factor.

    Attributes:
        at_zero: k(0).
        factors: those of x and of y.
    """

    at_zero: Tensor
    factors: tuple[Tensor | float, Tensor | float]

    def within(self, total: Tensor, measure: Spectrum, factor: Tensor | float) -> Tensor:
        """The estimate from the sum over all pairs, ``(batch,)``."""
        return factor * (total - self.at_zero * measure.weights.double().square().sum((1, 2)))


@dataclass(frozen=True)
class SpectralMMD:
    """Two measures on the modes of a kernel's series.

    Attributes:
        series: the kernel.
        x: the first measure.
        y: the second measure.
        excess: for the unbiased estimate; None for the biased one, which is never negative.
    """

    series: Series
    x: Spectrum
    y: Spectrum
    excess: Excess | None

    def value(self) -> Tensor:
        """MMD², ``(batch,)``, in the dtype of the points."""
        x, y = self.x.values, self.y.values
        if self.excess is None:
            total = product(self.series, x - y, x - y)
        else:
            factor_x, factor_y = self.excess.factors
            within_x = self.excess.within(product(self.series, x, x), self.x, factor_x)
            within_y = self.excess.within(product(self.series, y, y), self.y, factor_y)
            total = within_x + within_y - 2.0 * product(self.series, x, y)
        return total.to(self.x.weights.dtype)

    def descent(self) -> Tensor:
        """``−2 ∇(Σ aⱼ k(·,xⱼ) − Σ bⱼ k(·,yⱼ))`` at the points x of a single measure, ``(N, d)``, from one synthesis."""
        factor = 1.0 if self.excess is None else torch.as_tensor(self.excess.factors[0])
        witness = self.series.coefficients * (self.y.values - factor * self.x.values)
        mass = (factor * self.x.mass + self.y.mass).detach()
        return (2.0 * self.series.gradient(self.x.cloud, witness, mass))[0].mT.to(self.x.weights.dtype)
