"""The picture shows every cloud that a run can have, and leaves matplotlib's global state alone."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from interflow.errors import ArgumentError
from interflow.views import evolution
from interflow.views.evolution import PANELS, POINTS, colour


def run(frames=8, count=30, dimension=2):
    positions = np.random.default_rng(0).random((frames, count, dimension))
    return positions, np.linspace(0, 1, frames), np.linspace(3, 1, frames)


def panels(figure):
    *clouds, energy = figure.axes
    return clouds, energy


def points(panel):
    (drawn,) = [artist for artist in panel.collections if isinstance(artist, PathCollection)]
    return np.asarray(drawn.get_offsets())


def png(figure):
    stream = io.BytesIO()
    figure.savefig(stream)
    return stream.getvalue()


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 30])
@pytest.mark.parametrize("frames", [1, 2, 8])
def test_any_run_is_drawn_without_a_warning(frames, count, dimension):
    assert png(evolution(*run(frames, count, dimension))).startswith(b"\x89PNG")


def test_the_first_and_the_last_frame_are_among_the_panels():
    positions, times, energies = run(frames=20)
    clouds, _ = panels(evolution(positions, times, energies))
    assert len(clouds) == PANELS
    np.testing.assert_array_equal(points(clouds[0]), positions[0])
    np.testing.assert_array_equal(points(clouds[-1]), positions[-1])


def test_time_is_coloured_from_blue_to_red():
    assert (colour(0.0), colour(1.0)) == ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    clouds, _ = panels(evolution(*run()))
    tints = [panel.collections[0].get_facecolor()[0, :3] for panel in clouds]
    reds = [tint[0] for tint in tints]
    assert reds == sorted(reds)
    np.testing.assert_allclose(tints[0], (0, 0, 1))
    np.testing.assert_allclose(tints[-1], (1, 0, 0))


def test_a_box_is_the_limit_of_every_panel_and_the_axes_are_equal():
    clouds, _ = panels(evolution(*run(), box=((0, -1), (2, 3))))
    for panel in clouds:
        assert (panel.get_xlim(), panel.get_ylim()) == ((0, 2), (-1, 3))
        assert panel.get_aspect() == 1.0


def test_without_a_box_all_panels_share_a_square_around_all_points():
    positions, times, energies = run()
    clouds, _ = panels(evolution(10 * positions - 3, times, energies))
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in clouds}) == 1
    (left, right), (low, high) = clouds[0].get_xlim(), clouds[0].get_ylim()
    assert left < -2.9
    assert right > 6.9
    assert right - left == pytest.approx(high - low)


def test_a_box_without_end_on_one_axis_is_fitted_there():
    clouds, _ = panels(evolution(*run(), box=((0, -np.inf), (1, np.inf))))
    assert clouds[0].get_xlim() == (0, 1)
    assert np.isfinite(clouds[0].get_ylim()).all()


def test_points_that_are_not_finite_do_not_spoil_the_limits():
    positions, times, energies = run()
    positions[-1, 0] = np.nan
    clouds, _ = panels(evolution(positions, times, energies))
    assert np.isfinite(clouds[0].get_xlim()).all()


@pytest.mark.parametrize(("dimension", "said"), [(2, False), (3, True), (7, True)])
def test_axes_that_are_left_out_are_told(dimension, said):
    figure = evolution(*run(dimension=dimension))
    assert (f"the first two of {dimension} axes" in figure.get_suptitle()) == said


def test_a_large_cloud_is_thinned_evenly_and_the_figure_says_so():
    figure = evolution(*run(frames=1, count=POINTS + 1))
    (cloud,), _ = panels(figure)
    assert len(points(cloud)) == POINTS
    assert f"{POINTS:,} drawn" in figure.get_suptitle()


def test_a_line_is_drawn_against_time():
    positions, times, energies = run(dimension=1)
    (panel,), _ = panels(evolution(positions, times, energies, box=(0, 1)))
    assert len(panel.collections) == len(times)
    np.testing.assert_array_equal(np.asarray(panel.collections[3].get_offsets())[:, 0], times[3])
    assert panel.get_ylim() == (0, 1)


def test_an_energy_that_is_not_finite_is_left_out_of_the_curve():
    positions, times, energies = run()
    energies[[0, 3]] = np.inf, np.nan
    assert png(evolution(positions, times, energies)).startswith(b"\x89PNG")


def test_the_energy_curve_passes_through_every_frame():
    positions, times, energies = run()
    _, energy = panels(evolution(positions, times, energies))
    np.testing.assert_array_equal(energy.lines[0].get_xydata(), np.stack([times, energies], axis=1))


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("positions", 0, np.zeros((3, 2))),
        ("positions", 0, np.zeros((0, 3, 2))),
        ("times", 1, [0]),
        ("energies", 2, [1, 2]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, index, value):
    arguments = list(run())
    arguments[index] = value
    with pytest.raises(ArgumentError) as caught:
        evolution(*arguments)
    assert caught.value.argument == name


def test_drawing_leaves_pyplot_unimported():
    program = (
        "import io, sys; from interflow.views import evolution\n"
        "evolution([[[0.0, 0.0]]], [0], [0]).savefig(io.BytesIO())\n"
        "assert not {'matplotlib.pyplot', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
