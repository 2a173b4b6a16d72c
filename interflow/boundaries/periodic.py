"""The torus."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from interflow.boundaries.base import Boundary, Extent, check_same_axes, corner, on_axes
from interflow.parameters import PositiveParameter
from interflow.validation import can_read, check_choice

Images = Literal["nearest", "all"]


class PeriodicBoundary(Boundary):
    """The torus ``Π [lowerₐ, lowerₐ + Lₐ)``; to the nearest image, ``δ = (x − y) − L·round((x − y)/L)``.

    At an exact half period the rounding is to even, an odd function, so that δ(x, y) = −δ(y, x); between points of the
    box, to which pair sums `fold` all points, δ is ``x − y`` there.

    A kernel acts on the torus through the nearest image, ``k(δ)``, or through all of them, ``Σₙ k(δ + nL)``. The sum is
    smooth across the half period and positive definite where the kernel is; k(δ) is neither in general. For a kernel
    that is narrow against L the two agree: for a Gaussian up to ``exp(−L²/8σ²)``.

    Args:
        lengths: the periods L, one number for all axes or one for each, in units of the positions.
        lower: the lower corner, one number for all axes or one for each.
        images: ``"nearest"``, or ``"all"`` for kernels whose sum over the images converges.

    Raises:
        ArgumentError: unless the lengths are positive and there are as many as lower corners.

    Example:
        >>> torus = PeriodicBoundary(1.0)
        >>> torus.displacement(torch.tensor([0.9]), torch.tensor([0.1]))
        tensor([-0.2000])
        >>> torus.wrap(torch.tensor([-1e-9, 1.25]))
        tensor([0.0000, 0.2500])
    """

    straight = True
    lower: Tensor

    def __init__(self, lengths: float | Tensor, lower: float | Tensor = 0.0, images: Images = "nearest") -> None:
        super().__init__()
        check_choice("images", images, get_args(Images))
        self.images = images
        self.lengths = PositiveParameter(lengths, per_axis=True)
        self.register_buffer("lower", corner("lower", lower))
        check_same_axes("lower", self.lower, "lengths", self.lengths)

    def extra_repr(self) -> str:
        return super().extra_repr().replace(", images='nearest'", "")

    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        difference = x - y
        lengths = self.lengths.to(difference.dtype)
        return difference - lengths * (difference * lengths.reciprocal()).round()

    def wrap(self, x: Tensor) -> Tensor:
        return x if self._has_all_inside(x) else self._inside(x, self.lower)

    def _has_all_inside(self, x: Tensor) -> bool:
        """Whether all points are known to lie inside a cube; False also where to ask costs more than to wrap."""
        lower, length = self.lower, self.lengths
        if lower.ndim or length.ndim or x.device.type != "cpu" or not x.numel() or not can_read(x):
            return False
        smallest, largest = x.detach().aminmax()
        upper = lower.item() + length.item()
        rounding = torch.finfo(x.dtype).eps * abs(upper)  # of the upper end, in the dtype of the points
        return lower.item() <= smallest.item() and largest.item() < upper - rounding

    def fold(self, x: Tensor) -> Tensor:
        lengths = self.lengths.detach()
        # of all boxes that are one period of the torus, that about 0: there coordinates have the most digits
        lower = self.lower - lengths * (self.lower / lengths + 0.5).round()
        if x.device.type == "cpu" and can_read(x) and bool(((lower <= x) & (x < lower + lengths)).all()):
            return x  # elsewhere, to ask costs more than to fold
        return self._inside(x.double(), lower).to(x.dtype)  # of a far point with the digits that the period has

    def _inside(self, x: Tensor, corner: Tensor) -> Tensor:
        """``x`` less whole periods, in the box with a lower corner."""
        lengths, lower = self.lengths.to(x.dtype), corner.to(x.dtype)
        upper = (corner + self.lengths).to(x.dtype)
        folded = lower + torch.remainder(x - lower, lengths)
        seam = lower + (x - x.detach())  # where rounding made remainder(−1e-9, 1) a whole period; its slope is 1 too
        folded = torch.where(folded >= upper, seam, folded)
        return torch.where((lower <= x) & (x < upper), x, folded)

    def periods(self, dimension: int) -> Tensor:
        return self.lengths.expand(dimension).to(torch.float64)

    def extent(self, dimension: int) -> Extent:
        lower, upper = (on_axes(corner, dimension) for corner in (self.lower, self.lower + self.lengths))
        return Extent(lower, upper, torch.ones(dimension, dtype=torch.bool))

    def image_periods(self, dimension: int) -> Tensor | None:
        return self.periods(dimension) if self.images == "all" else None

    def half_period(self) -> Tensor | None:
        return self.lengths.min() / 2 if self.images == "nearest" else None
