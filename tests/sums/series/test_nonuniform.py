"""Nonuniform transforms keep the error of an exponential that was asked, on the coarse grid and on the fine one."""

from __future__ import annotations

import pytest
import torch

from interflow.sums.series import Accuracy, Modes, NonuniformFFT
from interflow.sums.series.grids import GRIDS, Work
from interflow.sums.series.nonuniform import _plan

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
        samples = [NonuniformFFT.to(precision).at(points[None, :, i : i + 1], modes) for i in range(points.shape[1])]
        found = torch.cat([sample.analyse(torch.ones(1, 1, 1, dtype=torch.float64))[0] for sample in samples])
        assert (found - exponentials(points, modes)).abs().max() <= precision


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.upsampling}-{grid.width}")
def test_a_grid_is_as_right_as_it_is_told_in_the_inner_half_of_the_band_and_outside(grid):
    for count in (8, 14, 24, 60):
        modes = modes_of(1, count)
        points = torch.rand(1, 1, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        plan = _plan([modes.angles(points)[0, 0].numpy()], modes, grid)
        wave = torch.zeros(modes.shape, dtype=torch.complex128)
        errors = []
        for k in range(2 * count + 1):
            wave.zero_()[k] = 1.0
            expected = torch.exp(2j * torch.pi * (k - count) * points[0, 0])
            errors.append((torch.from_numpy(plan.execute_adjoint(wave.numpy())) - expected).abs().max().item())
        half = count // 2
        assert max(errors[count - half : count + half + 1]) <= 1.1 * grid.inner + modes.rounding
        assert max(errors) <= 1.1 * grid.outer + modes.rounding


@pytest.mark.parametrize("precision", [1e-3, 1e-6])
def test_few_points_and_many_modes_go_to_a_coarse_grid_and_many_points_to_a_fine_one(precision):
    modes, accuracy = modes_of(2, 100), Accuracy(precision, 0.01)
    assert Work(100, modes).grid(accuracy).upsampling == 1.25
    assert Work(10_000_000, modes).grid(accuracy).upsampling >= 3.0


def test_precisions_that_the_coarse_grid_does_not_keep_go_to_a_finer_one():
    work = Work(1, modes_of(2, 100))
    assert work.grid(Accuracy(1e-10, 2.0)).upsampling == 2.0
    assert work.grid(Accuracy(1e-17, 2.0)) is None


def test_weights_inside_the_band_allow_a_narrower_grid():
    work = Work(1_000_000, modes_of(3, 20))
    assert work.grid(Accuracy(1e-8, 0.01)).width < work.grid(Accuracy(1e-8, 3.0)).width


def test_accuracy_splits_an_error_among_the_weights_and_sees_how_many_are_at_the_edge():
    weights = torch.zeros(9, 5)
    weights[2:7, 1:4] = 2.0  # |k| up to half of the largest, on both axes
    assert Accuracy.of(3.0, weights) == Accuracy(0.1, 0.0)
    assert Accuracy.of(3.0, torch.ones(9, 5)).edge == pytest.approx(4 / 9 + 2 / 5)
    assert Accuracy.of(1.0, torch.zeros(9, 5)).precision == 1.0


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_synthesis_that_may_be_less_right_is_as_right_as_that(dimension):
    modes, points = (
        modes_of(dimension, 6),
        torch.rand(1, dimension, 20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
    )
    coefficients = torch.randn(1, 2, *modes.shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    samples = NonuniformFFT.to(1e-11).at(points, modes)
    exact, total = samples.synthesise(coefficients), coefficients[0].abs().sum(0)
    found = []
    for error in (1e-1, 1e-4, 1e-7):
        loose = samples.synthesise(coefficients, Accuracy.of(error, total))
        found.append((loose - exact).abs().max().item())
        assert found[-1] <= error
    assert (max(found) > 0.0) == (dimension > 1)  # on a line the points would be sorted again for little


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_even_weights_may_be_folded(dimension):
    full = torch.rand([2 * width + 1 for width in (8, 5, 4)[:dimension]], dtype=torch.float64)
    full = full + full.flip(list(range(dimension)))
    folded = full[8:].clone()
    folded[0] *= 0.5
    (one, other) = Accuracy.of(0.3, full), Accuracy.of(0.15, folded, folded=True)
    assert (one.precision, one.edge) == pytest.approx((other.precision, other.edge))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sums_that_are_known_to_be_real_are_the_same(count):
    modes = modes_of(2, 5)
    points = torch.rand(1, 2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    samples = NonuniformFFT.to(1e-11).at(points, modes)
    weights = torch.randn(1, count, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    spectra = samples.analyse(weights)
    torch.testing.assert_close(samples.synthesise(spectra, real=True), samples.synthesise(spectra))
