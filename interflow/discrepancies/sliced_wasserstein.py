"""The sliced Wasserstein distance."""

from __future__ import annotations

from typing import final, get_args

import torch
from torch import Tensor

from interflow.discrepancies.base import Discrepancy, in_single_precision
from interflow.discrepancies.mmd import Reduction
from interflow.errors import ArgumentError
from interflow.sums.sorted import Sampling, ascending, centre_of_mass, check_count, drawn, seed_of
from interflow.validation import can_read, check_choice


@final
class SlicedWasserstein(Discrepancy):
    """``SW_pᵖ = E_θ W_pᵖ(⟨θ, x⟩, ⟨θ, y⟩)``, the p-th power: squared for p = 2, as an MMD is (Rabin et al., 2012).

    On a line optimal transport pairs quantiles, ``W_pᵖ = ∫ |F⁻¹(u) − G⁻¹(u)|ᵖ du``, which takes a sort. The mean over
    the sphere is one over P directions. They are drawn from a seed, so that a loss is the same function each time;
    `sampling` and `redraw` are those of `interflow.Sorted`.

    Args:
        projections: P.
        p: the exponent, at least 1.
        sampling: ``"design"``, a fan in the plane and turned orthonormal frames elsewhere; ``"random"``, independent
            directions; ``"quasi"``, a scrambled Sobol' sequence.
        redraw: whether each new set of points x meets new directions, drawn from the seed and the bits of x.
        seed: what the directions are drawn from.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.

    Raises:
        ArgumentError: at construction for arguments out of range; in a call for shapes, dtypes or devices that do not
            fit, an empty cloud, a negative weight, or measures whose masses differ by more than 1e-3, unless
            ``normalise``.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [5.0]])
        >>> SlicedWasserstein()(x, y)  # in one dimension W₂² itself, ½ (2² + 4²)
        tensor(10.)
    """

    def __init__(
        self,
        *,
        projections: int = 64,
        p: float = 2.0,
        sampling: Sampling = "design",
        redraw: bool = False,
        seed: int = 0,
        normalise: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(normalise=normalise)
        check_count("projections", projections)
        check_choice("sampling", sampling, get_args(Sampling))
        check_choice("reduction", reduction, get_args(Reduction))
        if not 1.0 <= p < float("inf"):
            raise ArgumentError("p", came=repr(p), wanted="a number ≥ 1")
        self.projections = projections
        self.p = float(p)
        self.sampling = sampling
        self.redraw = redraw
        self.seed = seed
        self.reduction = reduction

    @in_single_precision
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        self.check(x, y, x_weights, y_weights)
        x_weights, y_weights = self.equal_masses(x_weights, y_weights)
        lines = self._directions(x)
        masses = torch.ones_like(y[..., 0]) if y_weights is None else y_weights
        centre = centre_of_mass(y.mT, masses[..., None, :]).mT  # far from the origin, projections would lose digits
        first, second = ((points - centre).to(points.dtype) @ lines.mT for points in (x, y))
        value = _transport(first.mT, second.mT, x_weights, y_weights, self.p).mean(-1)
        if self.reduction == "none":
            return value
        return value.mean() if self.reduction == "mean" else value.sum()

    def _directions(self, x: Tensor) -> Tensor:
        """``(P, d)``; one is enough on a line."""
        if x.shape[-1] == 1:
            return x.new_ones(1, 1)
        seed = seed_of(self.seed, x) if self.redraw else self.seed
        lines: Tensor = drawn(self.projections, x.shape[-1], self.sampling, seed)
        return lines.to(x)


def _transport(x: Tensor, y: Tensor, x_weights: Tensor | None, y_weights: Tensor | None, p: float) -> Tensor:
    """``W_pᵖ`` on each line, for points ``(..., P, N)`` and ``(..., P, M)`` with weights ``(..., N)``, ``(..., M)``."""
    x, x_order = _sorted(x)
    y, y_order = _sorted(y)
    if x_weights is None and y_weights is None and x.shape[-1] == y.shape[-1]:
        return _power((x - y).abs(), p).mean(-1)
    a, b = _levels(x, x_order, x_weights), _levels(y, y_order, y_weights)
    levels = torch.cat([a, b], -1).sort(-1).values
    widths = torch.diff(levels, dim=-1, prepend=torch.zeros_like(levels[..., :1]))
    middle = (levels - 0.5 * widths).detach()  # of each piece on which both quantile functions are constant
    at_x = x.gather(-1, torch.searchsorted(a.detach(), middle).clamp(max=x.shape[-1] - 1))
    at_y = y.gather(-1, torch.searchsorted(b.detach(), middle).clamp(max=y.shape[-1] - 1))
    return (widths * _power((at_x - at_y).abs(), p)).sum(-1).to(x.dtype)


def _sorted(points: Tensor) -> tuple[Tensor, Tensor]:
    if not can_read(points):
        ordered = points.sort(-1)
        return ordered.values, ordered.indices
    _, places = ascending(points.detach().flatten(0, -2))
    order = places.view(points.shape)
    return points.gather(-1, order), order


def _levels(points: Tensor, order: Tensor, weights: Tensor | None) -> Tensor:
    """The cumulative masses of sorted points, ``(..., P, N)``, in float64."""
    count = points.shape[-1]
    if weights is None:
        levels = torch.arange(1, count + 1, device=points.device, dtype=torch.float64) / count
        return levels.expand(points.shape).contiguous()
    masses = weights.double()[..., None, :].expand(points.shape).gather(-1, order)
    return masses.cumsum(-1)


def _power(distance: Tensor, p: float) -> Tensor:
    return distance.square() if p == 2.0 else distance if p == 1.0 else distance**p
