"""The energy distance."""

from __future__ import annotations

from typing import NamedTuple, final, get_args

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.discrepancies.base import Discrepancy
from interflow.discrepancies.mmd import MMD, Estimator, Reduction
from interflow.errors import ArgumentError
from interflow.kernels import DistanceKernel, Kernel
from interflow.sums import Backend, Explanation
from interflow.sums import sorted as slicing
from interflow.sums.sorted import Sampling
from interflow.validation import check_choice


@final
class EnergyDistance(Discrepancy):
    """``D = 2 Σ aᵢbⱼ |xᵢ − yⱼ| − Σ aᵢaⱼ |xᵢ − xⱼ| − Σ bᵢbⱼ |yᵢ − yⱼ|`` (Székely and Rizzo, 2004).

    It is ``MMD(DistanceKernel())``, and needs no bandwidth. `scipy.stats.energy_distance` returns its square root, and
    GeomLoss half of it.

    Args:
        boundary: the domain; None for open space.
        estimator: ``"biased"``, or ``"unbiased"`` for the U-statistic, as in `MMD`.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.
        backend: how pairs are summed, a name or an instance.
        tolerance: the error that the sums may have; None for exact ones.

    Raises:
        ArgumentError: as `MMD` does.

    Warns:
        InterflowWarning: on a torus, where the distance is not positive definite.

    Example:
        >>> import torch
        >>> EnergyDistance()(torch.zeros(1, 1), torch.ones(1, 1)).item()
        2.0
    """

    def __init__(
        self,
        *,
        boundary: Boundary | None = None,
        estimator: Estimator = "biased",
        normalise: bool = False,
        reduction: Reduction = "mean",
        backend: str | Backend = "auto",
        tolerance: float | None = None,
    ) -> None:
        super().__init__(boundary, normalise=normalise)
        self.mmd = MMD(
            DistanceKernel(),
            boundary=boundary,
            estimator=estimator,
            normalise=normalise,
            reduction=reduction,
            backend=backend,
            tolerance=tolerance,
        )

    @property
    def estimator(self) -> Estimator:
        """As given."""
        return self.mmd.estimator

    @property
    def reduction(self) -> Reduction:
        """As given."""
        return self.mmd.reduction

    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        value: Tensor = self.mmd(x, y, x_weights, y_weights)
        return value

    def value_and_velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.mmd.value_and_velocity(x, y, x_weights, y_weights)

    def kernels(self) -> list[Kernel]:
        return self.mmd.kernels()

    def explain(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> list[tuple[str, Explanation]]:
        return self.mmd.explain(x, y, x_weights, y_weights)

    def relative(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        return self.mmd.relative(x, y, x_weights, y_weights)

    def velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        return self.mmd.velocity(x, y, x_weights, y_weights)


class Estimate(NamedTuple):
    """A number that is known up to a random error.

    Attributes:
        value: the estimate.
        standard_error: the standard deviation of its error, estimated from replicates.
    """

    value: float
    standard_error: float


@torch.no_grad()
def sliced_energy_distance(
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    *,
    directions: int = 64,
    sampling: Sampling = "design",
    normalise: bool = False,
    replicates: int = 8,
    seed: int = 0,
) -> Estimate:
    """The energy distance in open space as the mean of independent sliced ones, and the standard error of that mean.

    It tells how many directions `interflow.Sorted` needs for the clouds at hand. The error is that of the slices, not
    that of taking the clouds for samples. On a line it is 0.

    Args:
        x: ``(N, d)``.
        y: ``(M, d)``.
        x_weights: ``(N,)``, not negative; None for 1/N.
        y_weights: ``(M,)``, likewise.
        directions: P, in each replicate.
        sampling: of the directions, as in `interflow.Sorted`.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        replicates: how many independent sets of directions, at least 2.
        seed: what they are drawn from.

    Raises:
        ArgumentError: for clouds that do not fit together, measures whose masses differ by more than 1e-3, unless
            ``normalise``, or numbers out of range.

    Example:
        >>> x, y = torch.zeros(1, 3), torch.tensor([[3.0, 0.0, 4.0]])
        >>> estimate = sliced_energy_distance(x, y)
        >>> abs(estimate.value - 10.0) < 4 * estimate.standard_error < 1.0
        True
    """
    loss = EnergyDistance(normalise=normalise)
    loss.check(x, y, x_weights, y_weights, batched=False)
    x_weights, y_weights = loss.equal_masses(x_weights, y_weights)
    slicing.check_count("directions", directions)
    check_choice("sampling", sampling, get_args(Sampling))
    if replicates < 2:
        raise ArgumentError("replicates", came=repr(replicates), wanted="a whole number, at least 2")
    points, masses = slicing.difference(x, y, x_weights, y_weights)
    generator = torch.Generator().manual_seed(seed)
    sets = [slicing.directions(directions, x.shape[1], sampling, generator) for _ in range(replicates)]
    by_direction = slicing.sliced_energies(points.mT[None], masses[None, None], torch.cat(sets))
    values = by_direction.view(replicates, directions).mean(1)
    return Estimate(values.mean().item(), values.std().item() / replicates**0.5)
