"""Analysis and synthesis: sums of exponentials, adjoint to each other, right to every derivative."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from interflow.sums.series import Cloud, Modes
from tests.sums.series.clouds import ERRORS, TRANSFORMS, batch_of_clouds, exponentials, modes_of, numbers

transforms = pytest.mark.parametrize("name", TRANSFORMS)
dimensions = pytest.mark.parametrize("dimension", [1, 2, 3])
SHAPES = [(1, 1, 300), (2, 3, 40), (3, 2, 1), (1, 4, 0)]


@transforms
@dimensions
@pytest.mark.parametrize("shape", SHAPES)
def test_analysis_sums_the_exponentials(name, dimension, shape):
    batch, count, points = shape
    modes, x, weights = modes_of(dimension), batch_of_clouds(batch, points, dimension), numbers(batch, count, points)
    expected = weights.to(torch.complex128) @ exponentials(x, modes).conj().mT
    result = Cloud.of(x, modes, TRANSFORMS[name]).analysis(weights)
    assert result.shape == (batch, count, *modes.shape)
    scale = weights.abs().sum(-1).amax() if points else 1.0
    assert (result.flatten(2) - expected).abs().sum() <= ERRORS[name] * modes.count * batch * count * scale


@transforms
@dimensions
@pytest.mark.parametrize("shape", SHAPES)
def test_synthesis_sums_the_modes(name, dimension, shape):
    batch, count, points = shape
    modes, x = modes_of(dimension), batch_of_clouds(batch, points, dimension)
    coefficients = numbers(batch, count, *modes.shape, dtype=torch.complex128)
    expected = (coefficients.flatten(2) @ exponentials(x, modes)).real
    result = Cloud.of(x, modes, TRANSFORMS[name]).synthesis(coefficients)
    assert result.shape == (batch, count, points)
    assert (result - expected).abs().sum() <= ERRORS[name] * coefficients.abs().sum() * max(points, 1)


@transforms
@dimensions
def test_analysis_and_synthesis_are_adjoint(name, dimension):
    modes, x, weights = modes_of(dimension), batch_of_clouds(2, 50, dimension), numbers(2, 3, 50)
    coefficients = numbers(2, 3, *modes.shape, dtype=torch.complex128, seed=1)
    cloud = Cloud.of(x, modes, TRANSFORMS[name])
    left = (cloud.analysis(weights).conj() * coefficients).real.sum()
    right = (weights * cloud.synthesis(coefficients)).sum()
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-9)


@transforms
@dimensions
@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_derivatives_are_right(name, dimension, check):
    modes = Modes((1.0, 2.0, 0.7)[:dimension], (2, 1, 1)[:dimension], (0.0, 0.1, 0.2)[:dimension])
    x = batch_of_clouds(2, 4, dimension).requires_grad_()
    weights = numbers(2, 3, 4).requires_grad_()
    coefficients = numbers(2, 3, *modes.shape, dtype=torch.complex128).requires_grad_()
    transform = TRANSFORMS[name]
    assert check(
        lambda x, w: torch.view_as_real(Cloud.of(x, modes, transform).analysis(w)), (x, weights), fast_mode=True
    )
    assert check(lambda x, g: Cloud.of(x, modes, transform).synthesis(g), (x, coefficients), fast_mode=True)


@transforms
def test_periods_change_nothing(name):
    modes, x, weights = modes_of(2), batch_of_clouds(1, 50, 2), numbers(1, 1, 50)
    shifted = x + torch.tensor([[3.0], [-4.0]])
    first, second = (Cloud.of(points, modes, TRANSFORMS[name]).analysis(weights) for points in (x, shifted))
    torch.testing.assert_close(first, second, rtol=0.0, atol=1e-10)


@transforms
def test_repeats_give_the_same_bits(name):
    modes, x, weights = modes_of(2), batch_of_clouds(1, 20_000, 2), numbers(1, 1, 20_000)
    first, second = (Cloud.of(x, modes, TRANSFORMS[name]).analysis(weights) for _ in range(2))
    assert torch.equal(first, second)


@transforms
def test_positions_that_are_not_finite_give_nan(name):
    x = batch_of_clouds(1, 20, 2)
    x[0, 1, 3] = torch.nan
    assert Cloud.of(x, modes_of(2), TRANSFORMS[name]).analysis(numbers(1, 1, 20)).isnan().any()


@transforms
def test_strided_points_are_ordinary(name):
    modes, x, weights = modes_of(2), batch_of_clouds(1, 30, 2), numbers(1, 2, 30)
    strided = x.mT.contiguous().mT
    results = [Cloud.of(points, modes, TRANSFORMS[name]).analysis(weights) for points in (x, strided)]
    torch.testing.assert_close(*results, rtol=0.0, atol=1e-12)
