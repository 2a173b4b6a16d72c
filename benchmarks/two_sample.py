"""How often does the two-sample test reject, where both samples have one distribution and where their means differ?

Normal samples of 50 points in five dimensions, a Gaussian kernel at the median distance, 199 permutations, level 0.05.
The interval holds the rate with probability 0.95 (Clopper and Pearson, 1934): the level lies in it where the means are
equal. Each draw has seeds of its own, so that the table is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from scipy.stats import binomtest

import interflow as fl
from benchmarks.tables import Table

SIZES = (1000,)
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0)
POINTS, DIMENSION, PERMUTATIONS, LEVEL = 50, 5, 199, 0.05
SHARE_WITH_A_SHIFT = 5


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """A row for each shift of the mean: all draws where it is 0, a fifth of them elsewhere."""
    note = (
        f"Two normal samples of {POINTS} points, d = {DIMENSION}, {PERMUTATIONS} permutations, a Gaussian kernel at "
        "the median distance. `shift` is the distance of the means, in standard deviations."
    )
    headers = ("shift", "draws", "rejected", "rate", "95 % interval")
    return Table(f"The two-sample test at level {LEVEL}", note, headers, _rows(sizes, device))


def _rows(sizes: Sequence[int], device: torch.device) -> Iterator[list[str]]:
    for size in sizes:
        for shift in SHIFTS:
            draws = size if shift == 0.0 else max(1, size // SHARE_WITH_A_SHIFT)
            rejected = sum(rejects(draw, shift, device) for draw in range(draws))
            interval = binomtest(rejected, draws).proportion_ci(0.95)
            cells = [f"{shift:g}", str(draws), str(rejected), f"{rejected / draws:.3f}"]
            yield [*cells, f"{interval.low:.3f} to {interval.high:.3f}"]


def rejects(draw: int, shift: float, device: torch.device) -> bool:
    """Whether one draw of two samples is rejected."""
    generator = torch.Generator().manual_seed(draw)
    x, y = (torch.randn(POINTS, DIMENSION, generator=generator).to(device) for _ in range(2))
    y[:, 0] += shift
    kernel = fl.GaussianKernel(fl.median_distance(torch.cat([x, y])))
    return fl.two_sample_test(x, y, kernel, permutations=PERMUTATIONS, level=LEVEL, seed=draw).rejected
