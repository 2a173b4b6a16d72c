"""A kernel test of whether two samples come from one distribution, by permutations.

Under that hypothesis the pooled sample z = (x, y) can be relabelled at random. With ``K = k(zᵢ, zⱼ)`` and the signed
weights ``s = (1/N, …, 1/N, −1/M, …, −1/M)`` the statistic is ``MMD² = sᵀ K s``, and its value after a relabelling is
the same with s permuted. All of them come from one product ``K S`` with the permuted weights in the columns of S, rows
of K at a time: the kernel of each pair is evaluated once. (Gretton, Borgwardt, Rasch, Schölkopf and Smola, A kernel
two-sample test, 2012.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from interflow._repr import ShortRepr
from interflow.boundaries import Boundary, OpenBoundary
from interflow.discrepancies.mmd import MMD
from interflow.discrepancies.squares import squared_distances
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.sums.formula import formula_name, lookup_vectors

MOST_ROWS: Final = 2048
"""Rows of K at a time, at most."""

MOST_COORDINATES: Final = 2**23
"""Coordinates of displacements at a time, at most."""

PERMUTATIONS_AT_ONCE: Final = 1024

TIE: Final = 1e-12
"""Statistics that differ by less, relative to the observed one, are equal: their sums ran in another order."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class TwoSampleTest(ShortRepr):
    """The outcome of a two-sample test.

    Attributes:
        statistic: MMD² of the two samples, biased.
        p_value: ``(1 + #{permuted ≥ statistic}) / (1 + permutations)``, under the hypothesis of one distribution at
            most u with probability at most u, for every u (Phipson and Smyth, 2010).
        threshold: what the statistic exceeds if the hypothesis is rejected at the level; infinite where there are too
            few permutations to reject anything.
        level: the probability of a false rejection, at most.
        permuted: the statistics after the relabellings, ``(permutations,)``, float64.
    """

    statistic: float
    p_value: float
    threshold: float
    level: float
    permuted: Tensor

    @property
    def rejected(self) -> bool:
        """Whether one distribution is rejected at the level."""
        return self.p_value <= self.level


@torch.no_grad()
def two_sample_test(
    x: Tensor,
    y: Tensor,
    kernel: Kernel,
    *,
    boundary: Boundary | None = None,
    permutations: int = 1000,
    level: float = 0.05,
    seed: int | torch.Generator = 0,
) -> TwoSampleTest:
    """Test whether two samples come from one distribution.

    Args:
        x: the first sample, ``(N, d)``.
        y: the second sample, ``(M, d)``.
        kernel: of the MMD, chosen without looking at which points are whose; the median of the distances in the pooled
            sample is a usual bandwidth.
        boundary: the domain; None for open space.
        permutations: how many relabellings to draw.
        level: the probability of a false rejection, at most; it sets the threshold.
        seed: of the relabellings, a number or a generator on the CPU.

    Raises:
        ArgumentError: as `MMD` does; or if there is no permutation, or the level is no probability.

    Example:
        >>> from interflow import GaussianKernel
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(50, 1, generator=generator), torch.randn(60, 1, generator=generator)
        >>> two_sample_test(x, y, GaussianKernel(sigma=1.0)).rejected
        False
        >>> two_sample_test(x, y + 1.0, GaussianKernel(sigma=1.0)).p_value < 0.01
        True
    """
    _check(x, y, kernel, boundary, permutations, level)
    first = _labels(len(x), len(y), permutations, seed).to(x.device)
    pooled = torch.cat([x, y]).to(torch.promote_types(x.dtype, torch.float32))
    observed, *_ = values = _statistics(kernel, pooled, first, boundary)
    permuted = values[1:]
    exceeding = int((permuted >= observed - TIE * observed.abs()).sum())
    allowed = int(level * (1 + permutations) + 1e-9)  # of a product such as 0.05 · 20
    return TwoSampleTest(
        statistic=observed.item(),
        p_value=(1 + exceeding) / (1 + permutations),
        threshold=permuted.topk(allowed).values[-1].item() if 0 < allowed <= permutations else float("inf"),
        level=level,
        permuted=permuted,
    )


def _check(x: Tensor, y: Tensor, kernel: Kernel, boundary: Boundary | None, permutations: int, level: float) -> None:
    discrepancy = MMD(kernel, boundary=boundary, backend="dense")
    discrepancy.check(x, y, None, None, batched=False)
    discrepancy(x[:2], y[:2])  # for all else that an MMD refuses or warns of
    if permutations < 1:
        raise ArgumentError("permutations", came=permutations, wanted="a positive whole number")
    if not 0.0 < level < 1.0:
        raise ArgumentError("level", came=level, wanted="a number between 0 and 1")


def _labels(first: int, second: int, permutations: int, seed: int | torch.Generator) -> Tensor:
    """Which points belong to the first sample: as observed, then relabelled; ``(1 + permutations, N + M)``."""
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    labels = torch.zeros(1 + permutations, first + second, dtype=torch.bool)
    labels[0, :first] = True
    for row in labels[1:]:
        row[torch.randperm(first + second, generator=generator)[:first]] = True
    return labels


def _statistics(kernel: Kernel, pooled: Tensor, first: Tensor, boundary: Boundary | None) -> Tensor:
    """``sᵀ K s`` for the weights s of each labelling, ``(labellings,)``, float64; of K, half is made."""
    total = pooled.new_zeros(len(first), dtype=torch.float64)
    radial = _is_radial(kernel, pooled.shape[1], boundary)
    for rows in _tiles(len(pooled), 1 if radial else pooled.shape[1]):
        if radial:
            distances = squared_distances(pooled[rows], pooled[rows.start :]).sqrt()
            tile = kernel.evaluate((distances,))
        else:
            tile = kernel(pooled[rows], pooled[rows.start :], boundary).double()
        tile[:, len(tile) :] *= 2.0  # right of the block on the diagonal: each of these pairs stands for two
        for labels, forms in zip(first.split(PERMUTATIONS_AT_ONCE), total.split(PERMUTATIONS_AT_ONCE), strict=True):
            weights = _signed_weights(labels)
            forms += (weights[:, rows] @ tile * weights[:, rows.start :]).sum(1)
    return total


def _is_radial(kernel: Kernel, dimension: int, boundary: Boundary | None) -> bool:
    """Whether the kernel is one of the distance in open space, of so many coordinates that products are faster."""
    domain = OpenBoundary() if boundary is None else boundary
    vectors = lookup_vectors(formula_name(kernel, domain, dimension))
    return vectors is not None and vectors.straight and vectors.of_differences


def _signed_weights(first: Tensor) -> Tensor:
    """1/N where a point belongs to the first sample, −1/M elsewhere."""
    count = int(first[0].sum())
    positive, negative = first.new_tensor([1 / count, -1 / (first.shape[1] - count)], dtype=torch.float64)
    return torch.where(first, positive, negative)


def _tiles(points: int, dimension: int) -> Iterator[slice]:
    size = max(1, min(MOST_ROWS, MOST_COORDINATES // (points * dimension)))
    return (slice(start, min(start + size, points)) for start in range(0, points, size))
