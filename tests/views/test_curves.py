"""Curves of kernels, domains, densities and scalars obey the laws of what they show."""

import numpy as np
import pytest
import torch

import interflow as fl
from interflow.errors import ArgumentError
from interflow.views import boundary_curves, density, energy_curve, kernel_profiles
from interflow.views.clouds import Clouds
from interflow.views.densities import Grid
from tests.views.runs import solution

KERNELS = [
    fl.GaussianKernel(0.1),
    -2.0 * fl.LaplacianKernel(0.2),
    fl.LennardJonesKernel(1.0, 0.1, cutoff=0.4),
    fl.DistanceKernel(),
    fl.LogarithmicKernel(),
]


def curve(panel, index=-1):
    return panel.lines[index].get_xydata().T


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_the_drawn_force_is_minus_the_slope_of_the_drawn_profile(kernel):
    profile, force = kernel_profiles(kernel).axes
    r, k = curve(profile)
    _, pushed = curve(force)
    middle = (pushed[1:] + pushed[:-1]) / 2
    smooth = slice(len(r) // 2, -2)
    np.testing.assert_allclose((-np.diff(k) / np.diff(r))[smooth], middle[smooth], rtol=1e-2, atol=1e-3 * abs(k[-1]))


def test_the_profile_is_that_of_the_kernel():
    r, k = curve(kernel_profiles(fl.GaussianKernel(0.1), boundary=fl.PeriodicBoundary(1.0)).axes[0])
    np.testing.assert_allclose(k, np.exp(-(r**2) / 0.02))
    assert 0.3 < r[-1] <= 0.5


def test_images_count_where_the_domain_counts_them():
    torus = fl.PeriodicBoundary(1.0, images="all")
    r, k = curve(kernel_profiles(fl.GaussianKernel(0.4), boundary=torus, dimension=1).axes[0])
    expected = sum(np.exp(-((r + n) ** 2) / 0.32) for n in range(-5, 6))
    np.testing.assert_allclose(k, expected, rtol=1e-6)


def test_an_energy_tells_its_kernels_with_their_scales():
    energy = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(0.1)) + 3.0 * fl.InteractionEnergy(fl.DistanceKernel())
    assert [repr(kernel) for kernel in energy.kernels()] == [
        "-2.0 * GaussianKernel(sigma=0.1)",
        "3.0 * DistanceKernel(exponent=1.0)",
    ]
    assert fl.ExternalEnergy(lambda x: x.sum(-1)).kernels() == []
    assert len(fl.DiscrepancyEnergy(fl.EnergyDistance(), torch.zeros(1, 2)).kernels()) == 1


@pytest.mark.parametrize(("kernels", "span", "name"), [((), None, "kernels"), ((fl.DistanceKernel(),), 0.0, "span")])
def test_curves_that_cannot_be_drawn_are_refused(kernels, span, name):
    with pytest.raises(ArgumentError) as caught:
        kernel_profiles(*kernels, span=span)
    assert caught.value.argument == name


@pytest.mark.parametrize(
    "boundary", [fl.PeriodicBoundary(2.0, lower=-1.0), fl.ReflectingBoundary(0.0, 3.0), fl.OpenBoundary()], ids=repr
)
def test_the_curves_of_a_domain_are_its_wrap_and_its_displacement(boundary):
    (panel,) = boundary_curves(boundary, dimension=2).axes
    for index, expected in ((0, boundary.wrap), (1, None)):
        x, y = curve(panel, index)
        points = torch.as_tensor(x)[:, None].repeat(1, 2)
        lower = boundary.extent(2).lower
        corner = torch.where(lower.isfinite(), lower, 0.0)
        values = expected(points) if expected else boundary.displacement(points, corner)
        drawn = np.isfinite(y)
        assert drawn.mean() > 0.99
        np.testing.assert_allclose(y[drawn], values[:, 0].numpy()[drawn], atol=1e-12)


def test_axes_that_differ_have_panels_of_their_own():
    channel = fl.ProductBoundary([fl.PeriodicBoundary(1.0), fl.OpenBoundary(), fl.PeriodicBoundary(1.0)])
    assert [panel.get_title() for panel in boundary_curves(channel, dimension=3).axes] == ["axes x, z", "axis y"]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_every_particle_is_counted_in_the_density(dimension):
    run = solution(count=1000, dimension=dimension)
    grid = Grid(Clouds(run))
    cell = np.prod((grid.upper - grid.lower) / grid.shape)
    for frame in range(len(run)):
        assert grid.density(frame).sum() * cell == pytest.approx(1.0)


def test_points_on_the_upper_wall_are_counted_too():
    run = solution(positions=torch.ones(1, 10, 2), boundary=fl.ReflectingBoundary(0.0, 1.0))
    values = Grid(Clouds(run)).density(0)
    assert values[-1, -1] > 0.0
    assert np.count_nonzero(values) == 1


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_densities_of_any_run_are_drawn(count, dimension):
    density(solution(count=count, dimension=dimension)).canvas.draw()


def test_densities_have_one_scale_at_all_times():
    figure = density(solution(count=500))
    norms = {id(image.norm) for panel in figure.axes for image in panel.images}
    assert len(norms) == 1


def test_scalars_are_drawn_below_the_energy():
    figure = energy_curve(solution(mean_speed=torch.rand(8), pair_distances=torch.rand(8, 12)))
    assert [panel.get_ylabel() for panel in figure.axes] == ["energy E", "mean speed", "pair distances"]


@pytest.mark.parametrize("count", [1, 2, 12, 200])
def test_every_column_of_a_scalar_is_drawn_and_a_legend_numbers_them(count):
    values = torch.rand(8, count)
    panel = energy_curve(solution(histogram=values)).axes[1]
    drawn = [line.get_ydata() for line in panel.lines]
    np.testing.assert_array_equal(np.stack(drawn, axis=1), values.numpy())
    legend = panel.get_legend()
    assert legend.get_title().get_text() == f"{count} column{'s' if count > 1 else ''}"
    for text, handle in zip(legend.get_texts(), legend.get_lines(), strict=True):
        assert handle.get_color() == panel.lines[int(text.get_text())].get_color()
    numbers = [int(text.get_text()) for text in legend.get_texts()]
    assert (numbers[0], numbers[-1]) == (0, count - 1)


def test_columns_that_are_too_many_for_curves_are_counted():
    panel = energy_curve(solution(positions_seen=torch.rand(8, 10, 100))).axes[1]
    assert panel.get_legend().get_title().get_text() == f"1,000 columns,\n{len(panel.lines)} drawn"
    assert panel.get_legend().get_texts()[-1].get_text() == "999"
