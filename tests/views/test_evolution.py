"""The picture shows every cloud that a run can have, and leaves matplotlib's global state alone."""

import io
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection

import interflow as fl
from interflow.errors import ArgumentError
from interflow.views import evolution
from interflow.views.colours import COLOURINGS, ColourScale
from interflow.views.panels import PANELS
from interflow.views.picture import POINTS, SEQUENTIAL_CMAP, Clouds
from tests.views.runs import solution


def clouds(figure):
    return figure.axes[:-1]


def dots(panel):
    (drawn,) = [artist for artist in panel.collections if isinstance(artist, PathCollection)]
    return drawn


def points(panel):
    return np.asarray(dots(panel).get_offsets())


def png(figure):
    stream = io.BytesIO()
    figure.savefig(stream)
    return stream.getvalue()


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize(("frames", "count"), [(1, 1), (2, 0), (8, 30)])
def test_any_run_is_drawn_without_a_warning(frames, count, dimension):
    assert png(evolution(solution(frames, count, dimension))).startswith(b"\x89PNG")


def test_the_first_and_the_last_frame_are_among_the_panels():
    run = solution(frames=20)
    panels = clouds(evolution(run))
    assert len(panels) == PANELS
    np.testing.assert_array_equal(points(panels[0]), run.positions[0])
    np.testing.assert_array_equal(points(panels[-1]), run.positions[-1])


def test_time_is_coloured_from_blue_to_red():
    tints = [dots(panel).get_facecolor()[0, :3] for panel in clouds(evolution(solution()))]
    reds = [tint[0] for tint in tints]
    assert reds == sorted(reds)
    np.testing.assert_allclose(tints[0], (0, 0, 1))
    np.testing.assert_allclose(tints[-1], (1, 0, 0))


def test_the_domain_is_the_limit_of_every_panel_and_the_axes_are_equal():
    box = fl.PeriodicBoundary(torch.tensor([2.0, 4.0]), lower=torch.tensor([0.0, -1.0]))
    for panel in clouds(evolution(solution(boundary=box))):
        assert (panel.get_xlim(), panel.get_ylim()) == ((0, 2), (-1, 3))
        assert panel.get_aspect() == 1.0


def test_in_open_space_all_panels_share_a_square_around_all_points():
    positions = 10 * solution().positions - 3
    panels = clouds(evolution(solution(positions=positions)))
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    (left, right), (low, high) = panels[0].get_xlim(), panels[0].get_ylim()
    assert left < -2.9
    assert right > 6.9
    assert right - left == pytest.approx(high - low)


def test_points_that_are_not_finite_do_not_spoil_the_limits():
    positions = solution().positions.clone()
    positions[-1, 0] = torch.nan
    assert np.isfinite(clouds(evolution(solution(positions=positions)))[0].get_xlim()).all()


@pytest.mark.parametrize(("dimension", "said"), [(2, False), (3, False), (7, True)])
def test_axes_that_are_left_out_are_told(dimension, said):
    figure = evolution(solution(dimension=dimension))
    assert (f"the first 3 of {dimension} axes" in figure.get_suptitle()) == said


def test_clouds_in_space_have_three_axes():
    assert {panel.name for panel in clouds(evolution(solution(dimension=3)))} == {"3d"}


def test_a_large_cloud_is_thinned_evenly_and_the_figure_says_so():
    figure = evolution(solution(frames=1, count=POINTS + 1))
    assert len(points(figure.axes[0])) == POINTS
    assert f"{POINTS:,} drawn" in figure.get_suptitle()


def test_a_line_is_drawn_against_time():
    run = solution(dimension=1, boundary=fl.PeriodicBoundary(1.0))
    panel = evolution(run).axes[0]
    assert len(panel.collections) == len(run)
    np.testing.assert_allclose(np.asarray(panel.collections[3].get_offsets())[:, 0], run.times[3])
    assert panel.get_ylim() == (0, 1)


OTHER_COLOURS = sorted(set(COLOURINGS) - {"time"})
COLOURED = {
    *((colour, 2) for colour in OTHER_COLOURS),
    *(("density", dimension) for dimension in (1, 3)),  # which looks at the axes
}


@pytest.mark.parametrize(
    ("colour", "dimension"),
    [
        pytest.param(*case, marks=[] if case in COLOURED else [pytest.mark.full])
        for case in product(OTHER_COLOURS, (1, 2, 3))
    ],
)
def test_every_other_colour_has_a_bar_that_names_it(colour, dimension):
    figure = evolution(solution(dimension=dimension, boundary=fl.PeriodicBoundary(1.0)), colour=colour)
    assert COLOURINGS[colour]().label in {axes.get_ylabel() for axes in figure.axes}
    assert png(figure).startswith(b"\x89PNG")


def test_numbers_of_ones_own_are_drawn_on_one_scale():
    run = solution(frames=2)
    first, second = (dots(panel).get_facecolor() for panel in evolution(run, colour=np.arange(30)).axes[:2])
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first, axis=0)) > 20


def test_dense_places_are_darker():
    gathered = torch.cat([torch.rand(50, 2), 0.5 + 0.01 * torch.rand(50, 2)])[None]
    run = solution(positions=gathered, boundary=fl.PeriodicBoundary(1.0))
    lightness = dots(evolution(run, colour="density").axes[0]).get_facecolor()[:, :3].sum(1)
    assert lightness[50:].max() < lightness[:50].mean()


@pytest.mark.parametrize("colour", ["mauve", np.zeros(29), np.zeros((3, 30))])
def test_a_colour_that_does_not_fit_is_refused(colour):
    with pytest.raises(ArgumentError) as caught:
        evolution(solution(), colour=colour)
    assert caught.value.argument == "colour"


def test_an_energy_that_is_not_finite_is_left_out_of_the_curve():
    energies = torch.linspace(3, 1, 8)
    energies[0], energies[3] = torch.inf, torch.nan
    assert png(evolution(solution(energies=energies))).startswith(b"\x89PNG")


def test_the_energy_curve_passes_through_every_frame():
    run = solution()
    np.testing.assert_array_equal(
        evolution(run).axes[-1].lines[0].get_xydata(), np.stack([run.times, run.energies], axis=1)
    )


def test_a_notebook_shows_the_picture_at_its_size():
    data, size = solution().plot()._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size["width"] == 9 * 96


@pytest.mark.parametrize(("picture", "colour", "name"), [("oil", None, "kind"), ("energy", "time", "colour")])
def test_a_plot_that_cannot_be_drawn_is_refused(picture, colour, name):
    with pytest.raises(ArgumentError) as caught:
        solution().plot(picture, colour=colour)
    assert caught.value.argument == name


def test_drawing_leaves_pyplot_unimported():
    program = (
        "import io, sys; from tests.views.runs import solution\n"
        "solution().plot().savefig(io.BytesIO())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("weight", [1e-4, 1e-9, 1.0, 1e5, 1 / 3, 0.0])
def test_a_single_number_is_the_only_one_at_the_bar_and_at_its_colour(weight):
    run = replace(solution(frames=1), weights=torch.full((30,), weight))
    figure = evolution(run, colour="weight")
    (bar,) = [panel for panel in figure.axes if panel.get_ylabel() == "weight"]
    figure.draw_without_rendering()
    (tick,), (label,) = bar.get_yticks(), bar.get_yticklabels()
    assert float(label.get_text()) == pytest.approx(weight, rel=1e-6)
    low, high = bar.get_ylim()
    tint = SEQUENTIAL_CMAP((tick - low) / (high - low))
    np.testing.assert_allclose(dots(figure.axes[0]).get_facecolor()[0, :3], tint[:3], atol=0.01)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e6])
def test_the_numbers_at_a_bar_are_those_of_the_colours(scale):
    values = scale * torch.linspace(1.0, 2.0, 30)
    figure = evolution(replace(solution(frames=1), weights=values), colour="weight")
    (bar,) = [panel for panel in figure.axes if panel.get_ylabel() == "weight"]
    figure.draw_without_rendering()
    low, high = bar.get_ylim()
    assert (low, high) == pytest.approx((scale, 2 * scale))
    factor = bar.yaxis.get_offset_text().get_text().replace("\u2212", "-") or "1"
    for tick, label in zip(bar.get_yticks(), bar.get_yticklabels(), strict=True):
        assert float(label.get_text()) * float(factor) == pytest.approx(tick, rel=1e-6)


def test_a_bar_is_pointed_where_numbers_lie_beyond_its_ends():
    values = np.linspace(1.0, 2.0, 1000)
    colours = {}
    for highest in (2.1, 100.0):
        values[-1] = highest
        scale = ColourScale(values, Clouds(solution(frames=1, count=1000)))
        mappable, _ = scale.legend
        colours[mappable.cmap.colorbar_extend] = mappable.norm.vmax
    assert colours == {"neither": 2.1, "max": pytest.approx(2.0, rel=0.01)}


@pytest.mark.parametrize("times", [[1000.1, 1000.2, 1000.3], [0.0, 1e-7, 2e-7], [1e9, 1e9 + 1, 1e9 + 2], [0.0, 1 / 3]])
def test_times_are_written_with_the_digits_that_tell_them_apart(times):
    run = replace(solution(frames=len(times)), times=torch.tensor(times, dtype=torch.float64))
    titles = [panel.get_title() for panel in clouds(evolution(run))]
    assert len(set(titles)) == len(times)
    gap = np.diff(times).min()
    np.testing.assert_allclose([float(title.removeprefix("t = ")) for title in titles], times, atol=0.01 * gap, rtol=0)


@pytest.mark.parametrize("place", [0.0, 1.0, 1e20, -1e-20])
def test_a_cloud_in_one_point_is_drawn_wherever_it_is(place):
    assert png(evolution(solution(positions=torch.full((2, 5, 2), place)))).startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [POINTS + 1, 2 * POINTS, 3 * POINTS + 7])
def test_the_particles_that_are_drawn_are_spread_over_all_and_keep_their_colours(count):
    places = torch.arange(count).float()
    run = solution(positions=torch.stack([places, -places], 1)[None], boundary=fl.OpenBoundary())
    drawn = dots(evolution(run, colour="start").axes[0])
    indices = np.asarray(drawn.get_offsets())[:, 0]
    np.testing.assert_array_equal(drawn.get_offsets()[:, 1], -indices)
    assert (indices[0], indices[-1]) == (0, count - 1)
    assert np.ptp(np.diff(indices)) <= 1
    assert len(np.unique(indices)) == POINTS
    tints = ColourScale("start", Clouds(run)).colours(0)
    np.testing.assert_allclose(drawn.get_facecolor()[:, :3], tints[:, :3])
    lightness = tints[:, :3].sum(1)
    assert (np.diff(lightness) < 1e-6).all()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_particles_that_left_a_periodic_domain_are_drawn_inside(dimension):
    box = fl.PeriodicBoundary(2.0, lower=-3.0)
    inside = 2.0 * torch.rand(1, 9, dimension, generator=torch.Generator().manual_seed(1)) - 3.0
    away = inside + 2.0 * torch.arange(-4, 5)[None, :, None]
    for run in (solution(positions=inside, boundary=box), solution(positions=away, boundary=box)):
        np.testing.assert_allclose(Clouds(run).positions(0), inside[0], atol=1e-5)
