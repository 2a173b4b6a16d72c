"""Surfaces are sampled in proportion to their area."""

import numpy as np
import pytest

from interflow.errors import PointFileError
from interflow.storage.points import Reading, read_points
from tests.storage.points.files import SURFACES

SQUARES = ["ascii.ply", "square.obj", "square.stl"]


@pytest.fixture(params=SQUARES)
def square(request, tmp_path):
    file = tmp_path / request.param
    file.write_text(SURFACES[request.param])
    return file


def test_samples_of_a_square_are_uniform_on_it(square):
    points = read_points(square, Reading(samples=40_000)).positions
    assert points.shape == (40_000, 3)
    np.testing.assert_array_equal(points[:, 2], 0.0)
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=4, range=[[0, 1], [0, 1]])
    np.testing.assert_allclose(counts, 2500, atol=5 * 50)


def test_the_same_seed_gives_the_same_samples(square):
    first, second, other = (read_points(square, Reading(samples=9, seed=seed)).positions for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_colours_of_vertices_are_interpolated(tmp_path):
    (tmp_path / "ascii.ply").write_text(SURFACES["ascii.ply"])  # red is 100 (x + y) at the corners
    cloud = read_points(tmp_path / "ascii.ply", Reading(samples=200))
    np.testing.assert_allclose(cloud.columns["red"], 100 * cloud.positions.sum(1), atol=0.5)


def test_colours_of_a_coloured_obj_are_interpolated(tmp_path):
    (tmp_path / "square.obj").write_text(
        "v 0 0 0 0 0 0\nv 1 0 0 0.4 0 0\nv 1 1 0 0.8 0 0\nv 0 1 0 0.4 0 0\nf 1 2 3\nf 1 3 4\n"
    )
    drawn = read_points(tmp_path / "square.obj", Reading(samples=200))
    np.testing.assert_allclose(drawn.columns["red"], 102 * drawn.positions.sum(1), atol=0.51)


def test_a_large_triangle_takes_its_share(tmp_path):
    (tmp_path / "two.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 5 0 0\nv 8 0 0\nv 5 3 0\nf 1 2 3\nf 4 5 6\n")
    points = read_points(tmp_path / "two.obj", Reading(samples=1000)).positions
    assert abs(int((points[:, 0] < 2).sum()) - 100) <= 1


def test_a_surface_without_area_is_refused(tmp_path):
    (tmp_path / "line.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(PointFileError, match="area"):
        read_points(tmp_path / "line.obj")
