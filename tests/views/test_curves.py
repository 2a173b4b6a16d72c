"""Curves of kernels, domains, densities and scalars obey the laws of what they show."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

import interflow as fl
from interflow.errors import ArgumentError
from interflow.views import boundary_curves, density, energy_curve, kernel_profiles
from interflow.views.evolutions import Grid
from interflow.views.picture import Clouds
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


LENGTHS = [1e-3, 1e-1, 1.0, 1e3]
DECAYING = [
    fl.GaussianKernel,
    fl.LaplacianKernel,
    lambda s: fl.MaternKernel(s, 1.5),
    lambda s: fl.MaternKernel(s, 2.5),
    fl.InverseMultiquadricKernel,
    lambda s: fl.InversePowerKernel(1.0, s),
    lambda s: fl.InversePowerKernel(3.0, s),
    lambda s: fl.SoftSphereKernel(1.0, s),
    lambda s: fl.SoftSphereKernel(1.0, s, 2.5),
    lambda s: fl.MorseKernel(0.1, 0.5 * s, 1.0, 2.0 * s),
    lambda s: -2.0 * fl.GaussianKernel(s),
]
WELLS = [
    (lambda s: fl.LennardJonesKernel(2.0, s), 2 ** (1 / 6), 1.0),
    (lambda s: fl.LennardJonesKernel(1e-9, s, 3.0 * s), 2 ** (1 / 6), 1.0),
    (lambda s: fl.MorseKernel(1.0, 2.0 * s, 3.0, 0.5 * s), np.log(12.0) / 1.5, np.log(3.0) / 1.5),
    (lambda s: fl.MorseKernel(1.0, 2.0 * s, 1e4, 0.5 * s), np.log(4e4) / 1.5, np.log(1e4) / 1.5),
    (lambda s: fl.MorseKernel(1.0, 1e6 * s, 3.0, s), np.log(3e6) / (1 - 1e-6), np.log(3.0) / (1 - 1e-6)),
]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("make", DECAYING)
def test_a_picture_shows_how_a_kernel_decays_whatever_its_length(make, length):
    (left, right), (r, k) = (panel := kernel_profiles(make(length)).axes[0]).get_xlim(), curve(panel)
    assert left == 0.0
    assert right == r[-1]
    scaled = k / k[0]
    assert scaled[-1] < 0.2
    half = r[np.argmax(scaled < 0.5)]
    assert 0.05 * right < half < 0.5 * right


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("make", "lowest", "zero"), WELLS)
def test_a_picture_shows_the_well_and_the_zero_of_a_kernel_whatever_its_length(make, lowest, zero, length):
    panel, force = kernel_profiles(make(length)).axes
    r, k = curve(panel)
    assert r[np.argmin(k)] == pytest.approx(lowest * length, rel=0.02)
    assert r[np.argmax(k < 0.0)] == pytest.approx(zero * length, rel=0.02)
    left, right = panel.get_xlim()
    assert left < 0.9 * zero * length
    if panel.get_xscale() == "linear":
        assert right < 50 * lowest * length
    assert abs(k[-1]) < 0.1 * abs(k.min())
    low, high = panel.get_ylim()
    assert high - low < 30 * abs(k.min())
    assert low < k.min()
    low, high = force.get_ylim()
    _, pushed = curve(force)
    assert low < pushed[np.argmin(k) :].min() < 0.0 < high


def test_kernels_of_very_different_lengths_are_drawn_over_the_logarithm_of_the_distance():
    panel = kernel_profiles(fl.GaussianKernel(1e-3) + fl.GaussianKernel(1e3)).axes[0]
    r, k = curve(panel)
    assert panel.get_xscale() == "log"
    assert r[0] < 1e-3
    assert k[0] > 1.9
    assert k[-1] < 0.1


@pytest.mark.parametrize("length", LENGTHS)
def test_a_cutoff_and_a_band_are_seen_whole(length):
    core = kernel_profiles(fl.LennardJonesKernel(1.0, length, 2 ** (1 / 6) * length)).axes[0]
    assert length * 2 ** (1 / 6) < core.get_xlim()[1] < 2 * length
    assert 1.0 < core.get_ylim()[1] < 1e3
    band = fl.BandlimitedEnergyKernel(length, 16)
    assert curve(kernel_profiles(band).axes[0])[0][-1] == pytest.approx(length, rel=0.1)
    torus = kernel_profiles(band, boundary=fl.PeriodicBoundary(length)).axes[0]
    assert torus.get_xlim()[1] == pytest.approx(length / 2)


@pytest.mark.parametrize("kernel", [fl.DistanceKernel(), fl.LogarithmicKernel(), fl.InversePowerKernel(1.0)], ids=repr)
@pytest.mark.parametrize("period", [1e-3, 1e3])
def test_a_kernel_without_a_length_is_drawn_to_half_a_period(kernel, period):
    panel = kernel_profiles(kernel, boundary=fl.PeriodicBoundary(period)).axes[0]
    assert panel.get_xlim()[1] == pytest.approx(period / 2)


def test_a_logarithm_shows_its_zero():
    _, k = curve(kernel_profiles(fl.LogarithmicKernel()).axes[0])
    assert k[0] > 0.0 > k[-1]
    _, k = curve(kernel_profiles(fl.LogarithmicKernel(softening=1e-3)).axes[0])
    assert k[0] > 6.0
    assert k[-1] < 0.0


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


BOX = fl.PeriodicBoundary(torch.tensor([4.0, 1.0]), lower=torch.tensor([10.0, -3.0]))
PLACES = [(10.3, -2.1), (13.9, -2.9), (12.2, -2.6), (10.3 - 8.0, -2.1 + 3.0)]


@pytest.mark.parametrize("place", PLACES)
def test_one_particle_fills_the_cell_that_it_is_in(place):
    run = solution(positions=torch.tensor([[place]], dtype=torch.float32), boundary=BOX)
    x, y = 10.0 + (place[0] - 10.0) % 4.0, -3.0 + (place[1] + 3.0) % 1.0
    grid = Grid(Clouds(run))
    (cell,) = np.argwhere(grid.density(0))
    across, along = 4.0 / grid.shape[0], 1.0 / grid.shape[1]
    assert grid.shape[0] == 4 * grid.shape[1]
    assert tuple(cell) == ((x - 10.0) // across, (y + 3.0) // along)
    assert grid.density(0).sum() == pytest.approx(1.0 / (across * along))


@pytest.mark.parametrize("place", PLACES)
def test_that_cell_alone_is_dark_and_where_the_axes_say(place):
    figure = density(solution(positions=torch.tensor([[place]], dtype=torch.float32), boundary=BOX))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    panel = figure.axes[0]
    assert (panel.get_xlim(), panel.get_ylim()) == ((10.0, 14.0), (-3.0, -2.0))
    light = np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(float).mean(2)
    left, low, right, high = (round(edge) for edge in panel.get_window_extent().extents)
    inner = light[low + 4 : high - 4, left + 4 : right - 4]
    rows, columns = np.nonzero(inner < 128)
    pixels = np.stack([columns + left + 4.5, rows + low + 4.5], 1)
    seen = panel.transData.inverted().transform(pixels)
    x, y = 10.0 + (place[0] - 10.0) % 4.0, -3.0 + (place[1] + 3.0) % 1.0
    cell = 4.0 / Grid(Clouds(solution(count=1, boundary=BOX))).shape[0]
    assert len(seen) > 0
    assert np.abs(seen - (x, y)).max() < 1.1 * cell
    np.testing.assert_allclose(np.ptp(seen, axis=0), cell, atol=0.25 * cell)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_densities_of_any_run_are_drawn(count, dimension):
    density(solution(count=count, dimension=dimension)).draw_without_rendering()


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
