"""Nonuniform transforms keep the error of an exponential that was asked, on the coarse grid and on the fine one."""

from __future__ import annotations

import math

import pytest
import torch

from interflow.sums.series import Modes, NonuniformFFT
from interflow.sums.series.nonuniform import Work

WIDTHS = {1: (10, 400), 2: (10, 70), 3: (6, 18)}


def modes_of(dimension, width):
    return Modes((1.0,) * dimension, (width,) * dimension, (0.0,) * dimension)


def exponentials(points, modes):
    """``exp(−i ωₖ·x)`` of single points, ``(N, *modes)``."""
    phases = sum(
        component * part.view(-1, *[1] * modes.dimension)
        for component, part in zip(modes.frequencies(points.device), points, strict=True)
    )
    return torch.exp(-1j * phases)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("precision", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-11])
def test_an_exponential_is_as_right_as_was_asked(dimension, precision):
    generator = torch.Generator().manual_seed(dimension)
    for width in WIDTHS[dimension]:
        modes = modes_of(dimension, width)
        points = torch.rand(dimension, 12, generator=generator, dtype=torch.float64)
        samples = [NonuniformFFT(precision).at(points[None, :, i : i + 1], modes) for i in range(points.shape[1])]
        found = torch.cat([sample.analyse(torch.ones(1, 1, 1, dtype=torch.float64))[0] for sample in samples])
        assert (found - exponentials(points, modes)).abs().max() <= precision


@pytest.mark.parametrize("precision", [1e-3, 1e-6])
def test_few_points_and_many_modes_go_to_a_coarse_grid_and_many_points_to_a_fine_one(precision):
    modes = modes_of(2, 100)
    assert Work(100, modes, precision).upsampling() == 1.25
    assert Work(10_000_000, modes, precision).upsampling() == 2.0


def test_precisions_that_the_coarse_grid_does_not_keep_go_to_the_fine_one():
    work = Work(1, modes_of(2, 100), 1e-10)
    assert work.upsampling() == 2.0
    assert work.tolerance(2.0) < 1e-10
    assert math.isfinite(work.seconds(2.0))
