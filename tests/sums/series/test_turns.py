"""Turning a circle moves the seam of a grid away from crowds, and changes no sum."""

from __future__ import annotations

import math

import pytest
import torch

from interflow.sums.series import Modes
from interflow.sums.series.nonuniform import NonuniformFFT
from interflow.sums.series.turns import Turn

pytest.importorskip("finufft")
MODES = Modes(lengths=(1.0, 2.0), widths=(4, 3), origin=(0.0, 0.0))


@pytest.mark.parametrize("crowd", [0.0, 0.5 * math.pi, math.pi, 1.5 * math.pi, -3.0])
def test_the_seam_is_where_few_points_are(crowd):
    generator = torch.Generator().manual_seed(0)
    angles = crowd + 0.3 * torch.randn(1, 10_000, dtype=torch.float64, generator=generator)
    turned = Turn.of(angles).angles(angles)
    from_middle = ((turned + math.pi).remainder(2 * math.pi) - math.pi).abs()
    assert (from_middle > 0.75 * math.pi).double().mean() < 0.05


def test_an_even_cloud_is_left_as_it_is():
    angles = 2 * math.pi * torch.rand(3, 10_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert Turn.of(angles) == Turn((0, 0, 0))
    assert Turn((0, 0, 0)).angles(angles) is angles


@pytest.mark.parametrize("quarters", [(1, 0), (2, 3), (3, 2), (0, 1)])
def test_powers_of_i_undo_the_turn(quarters):
    generator = torch.Generator().manual_seed(1)
    angles = 2 * math.pi * torch.rand(2, 50, dtype=torch.float64, generator=generator)
    weights = torch.rand(50, dtype=torch.float64, generator=generator)
    turn = Turn(quarters)

    coefficients = torch.randn(9, 7, dtype=torch.complex128, generator=generator)
    first, second = (torch.arange(-width, width + 1, dtype=torch.float64) for width in MODES.widths)

    def exponentials(angles):
        return torch.exp(1j * (first[:, None, None] * angles[0] + second[None, :, None] * angles[1]))

    plain, turned = exponentials(angles), exponentials(turn.angles(angles))
    sums, sums_when_turned = ((weights * values.conj()).sum(-1) for values in (plain, turned))
    torch.testing.assert_close(turn.back(sums_when_turned), sums, rtol=0, atol=1e-13)
    expected = (coefficients[..., None] * plain).sum((0, 1))
    result = (turn.forth(coefficients)[..., None] * turned).sum((0, 1))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


def test_a_crowd_at_the_seam_is_summed_as_elsewhere():
    generator = torch.Generator().manual_seed(2)
    points = 0.05 * torch.randn(1, 2, 500, dtype=torch.float64, generator=generator) + torch.tensor([[0.5], [1.0]])
    weights = torch.rand(1, 1, 500, dtype=torch.float64, generator=generator)
    samples = NonuniformFFT.to(1e-10).at(points, MODES)
    frequencies = MODES.frequencies(points.device)
    phases = sum(frequency[..., None] * axis for frequency, axis in zip(frequencies, points[0], strict=True))
    exponentials = torch.exp(1j * phases)
    expected = (weights[0, 0] * exponentials.conj()).sum(-1)
    torch.testing.assert_close(samples.analyse(weights)[0, 0], expected, rtol=0, atol=1e-7)
    values = (expected[..., None] * exponentials).sum((0, 1)).real
    torch.testing.assert_close(samples.synthesise(expected[None, None])[0, 0], values, rtol=1e-9, atol=1e-7)
