"""What a tolerance asks of a series, and the reasons why one cannot serve."""

from __future__ import annotations

import math

import pytest
import torch

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary
from interflow.kernels import GaussianKernel, InverseMultiquadricKernel, LaplacianKernel, MaternKernel
from interflow.sums.series import Demand, UnsuitableError, settle

ALL_IMAGES = PeriodicBoundary(1.0, images="all")


def unit_box():
    return (0.0, 0.0), (1.0, 1.0)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("error", [1e-3, 1e-8])
def test_fewer_modes_would_leave_out_too_much(order, error):
    kernel, demand = GaussianKernel(0.1), Demand(order, error)
    modes = settle(kernel, ALL_IMAGES, 2, unit_box, [demand]).modes
    last = 2.0 * math.pi * modes.widths[0]
    assert kernel.tail(last, modes.lengths, order) <= demand.share
    assert kernel.tail(last - 2.0 * math.pi, modes.lengths, order) > demand.share


def test_precision_keeps_the_error_of_both_transforms():
    settings = settle(GaussianKernel(0.1), ALL_IMAGES, 2, unit_box, [Demand(0, 1e-6)])
    assert settings.accuracy.precision == pytest.approx(0.45e-6, rel=1e-3)  # Σcₖ is k(0) = 1


def test_a_rectangle_has_modes_of_one_cube_of_frequencies():
    rectangle = PeriodicBoundary(torch.tensor([1.0, 3.0]), images="all")
    modes = settle(GaussianKernel(0.1), rectangle, 2, unit_box, [Demand(0, 1e-6)]).modes
    assert modes.widths[1] in (3 * modes.widths[0], 3 * modes.widths[0] + 1, 3 * modes.widths[0] + 2)


@pytest.mark.parametrize("boundary", [OpenBoundary(), ReflectingBoundary(0.0, 1.0)])
@pytest.mark.parametrize("error", [1e-3, 1e-8])
def test_open_axes_become_circles_whose_images_are_far(boundary, error):
    settings = settle(GaussianKernel(0.1), boundary, 2, unit_box, [Demand(0, error)])
    for length in settings.modes.lengths:
        assert 8 * math.exp(-((length - 1.0) ** 2) / 0.02) <= 10 * error


def test_a_mixed_domain_keeps_its_periods():
    channel = ProductBoundary([PeriodicBoundary(2.0), OpenBoundary()])
    lengths = settle(GaussianKernel(0.1), channel, 2, unit_box, [Demand(1, 1e-4)]).modes.lengths
    assert lengths[0] == 2.0
    assert lengths[1] > 1.0


class Curved(Boundary):
    """A domain of a user's own."""

    def displacement(self, x, y):
        return (x - y).sin()

    def wrap(self, x):
        return x


@pytest.mark.parametrize(
    ("kernel", "boundary", "demand", "reason"),
    [
        (InverseMultiquadricKernel(0.1), ALL_IMAGES, Demand(0, 1e-4), "transform is not known"),
        (GaussianKernel(0.2), PeriodicBoundary(1.0), Demand(0, 1e-4), "images beyond the nearest"),
        (LaplacianKernel(0.1), ALL_IMAGES, Demand(1, 1e-4), "fall too slowly"),
        (MaternKernel(0.01, 1.5), ALL_IMAGES, Demand(1, 1e-9), "modes"),
        (InverseMultiquadricKernel(0.1), OpenBoundary(), Demand(0, 1e-4), "how the kernel fades"),
        (GaussianKernel(0.1), Curved(), Demand(0, 1e-4), "Curved"),
    ],
)
def test_the_reason_why_no_series_serves_is_said(kernel, boundary, demand, reason):
    with pytest.raises(UnsuitableError, match=reason):
        settle(kernel, boundary, 2, unit_box, [demand])


@pytest.mark.parametrize("error", [1e-1, 1e-6])
def test_what_all_parts_of_a_sum_may_take_adds_up_to_at_most_the_error(error):
    demand = Demand(0, error)
    settings = settle(GaussianKernel(0.1), PeriodicBoundary(1.0, images="all"), 2, unit_box, [demand])
    modes_left_out, images_too_many = demand.share, demand.share
    analysis = settings.accuracy.precision  # times Σ cₖ, which is k(0) = 1
    assert modes_left_out + images_too_many + analysis + settings.errors[0] <= error * (1.0 + 1e-3)


@pytest.mark.parametrize("order", [1, -1])
def test_the_strictest_of_several_demands_sets_the_precision(order):
    demands = [Demand(0, 1e-3), Demand(1, 1e-6), Demand(0, 1e-4)][::order]
    alone = [settle(GaussianKernel(0.1), ALL_IMAGES, 2, unit_box, [demand]) for demand in demands]
    together = settle(GaussianKernel(0.1), ALL_IMAGES, 2, unit_box, demands)
    assert together.accuracy.precision <= min(one.accuracy.precision for one in alone) * (1.0 + 1e-6)
    assert together.modes.widths == max(one.modes.widths for one in alone)
