"""Surfaces are sampled in proportion to their area."""

import numpy as np
import pytest
from matplotlib.path import Path

from interflow.errors import PointFileError
from interflow.storage.points import PointReadOptions, read_points, write_points
from tests.storage.points.files import SURFACES

SQUARES = ["ascii.ply", "square.obj", "square.stl"]


@pytest.fixture(params=SQUARES)
def square(request, tmp_path):
    file = tmp_path / request.param
    file.write_text(SURFACES[request.param])
    return file


def test_samples_of_a_square_are_uniform_on_it(square):
    points = read_points(square, PointReadOptions(samples=40_000)).positions
    assert points.shape == (40_000, 3)
    np.testing.assert_array_equal(points[:, 2], 0.0)
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=4, range=[[0, 1], [0, 1]])
    np.testing.assert_allclose(counts, 2500, atol=5 * 50)


def test_the_same_seed_gives_the_same_samples(square):
    first, second, other = (read_points(square, PointReadOptions(samples=9, seed=seed)).positions for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_colours_of_vertices_are_interpolated(tmp_path):
    (tmp_path / "ascii.ply").write_text(SURFACES["ascii.ply"])  # red is 100 (x + y) at the corners
    cloud = read_points(tmp_path / "ascii.ply", PointReadOptions(samples=200))
    np.testing.assert_allclose(cloud.columns["red"], 100 * cloud.positions.sum(1), atol=0.5)


def test_colours_of_a_coloured_obj_are_interpolated(tmp_path):
    (tmp_path / "square.obj").write_text(
        "v 0 0 0 0 0 0\nv 1 0 0 0.4 0 0\nv 1 1 0 0.8 0 0\nv 0 1 0 0.4 0 0\nf 1 2 3\nf 1 3 4\n"
    )
    drawn = read_points(tmp_path / "square.obj", PointReadOptions(samples=200))
    np.testing.assert_allclose(drawn.columns["red"], 102 * drawn.positions.sum(1), atol=0.51)


def test_a_large_triangle_takes_its_share(tmp_path):
    (tmp_path / "two.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 5 0 0\nv 8 0 0\nv 5 3 0\nf 1 2 3\nf 4 5 6\n")
    points = read_points(tmp_path / "two.obj", PointReadOptions(samples=1000)).positions
    assert abs(int((points[:, 0] < 2).sum()) - 100) <= 1


def test_a_surface_without_area_is_refused(tmp_path):
    (tmp_path / "line.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(PointFileError, match="area"):
        read_points(tmp_path / "line.obj")


U = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]  # its arms stand on x < 1 and x > 3
STAR = [(4 + (3 - 2 * (i % 2)) * np.cos(i * np.pi / 5), (3 - 2 * (i % 2)) * np.sin(i * np.pi / 5)) for i in range(10)]
ARROW = [(0, 0), (2, 1), (0, 2), (1, 1)]
PLANES = {
    "z = 0": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    "x = 0": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "y = 0": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    "oblique": np.array([[1.0, 2.0, 2.0], [-2.0, -1.0, 2.0]]) / 3,
}


def written(folder, suffix, vertices, polygons):
    file = folder / f"surface.{suffix}"
    if suffix == "obj":
        lines = [f"v {x} {y} {z}" for x, y, z in vertices]
        lines += ["f " + " ".join(f"{corner + 1}/1/1" for corner in polygon) for polygon in polygons]
    else:
        lines = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}"]
        lines += [f"property double {name}" for name in "XYZ"]
        lines += [f"element face {len(polygons)}", "property list uchar int vertex_index", "end_header"]
        lines += [f"{x} {y} {z}" for x, y, z in vertices]
        lines += [" ".join(map(str, [len(polygon), *polygon])) for polygon in polygons]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("suffix", ["obj", "ply"])
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("outline", [U, STAR, ARROW])
def test_samples_of_a_polygon_lie_in_it_wherever_it_begins(tmp_path, suffix, plane, start, backwards, outline):
    corners = np.roll(np.array(outline, float), start, axis=0)[:: -1 if backwards else 1]
    file = written(tmp_path, suffix, corners @ PLANES[plane] + 5.0, [range(len(corners))])
    points = (read_points(file, PointReadOptions(samples=2000)).positions - 5.0) @ PLANES[plane].T
    inside = Path(corners).contains_points(points, radius=1e-9) | Path(corners).contains_points(points, radius=-1e-9)
    assert inside.all()
    cells = {tuple(cell) for cell in np.floor(2 * points).astype(int)}  # and all of it is reached
    assert len(cells) >= {8: 35, 10: 15, 4: 6}[len(outline)]


def test_polygons_of_several_shapes_share_by_their_areas(tmp_path):
    vertices = [(x, y, 0) for x, y in U] + [(x + 10, y, 0) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    vertices += [(x + 20, y, 0) for x, y in ((0, 0), (2, 0), (0, 1))]
    file = written(tmp_path, "obj", vertices, [range(8), range(8, 12), range(12, 15)])
    places = np.floor(read_points(file, PointReadOptions(samples=1200)).positions[:, 0] / 10).astype(int)
    np.testing.assert_allclose(np.bincount(places), [1000, 100, 100], atol=1)


def test_indices_count_back_from_the_vertices_read_so_far(tmp_path):
    part = "v 0 0 {z}\nvt 0 0\nv 1 0 {z} # a corner\nvn 0 0 1\nv 0 1 {z}\nf -3/-1/-1 -2//-1 \\\n -1\n"
    (tmp_path / "parts.obj").write_text("".join(part.format(z=z) for z in (0, 2)))
    heights = read_points(tmp_path / "parts.obj", PointReadOptions(samples=100)).positions[:, 2]
    assert (np.bincount(heights.astype(int)) == [50, 0, 50]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0 0\nv 1 0 0\nf -3 -2 -1\nv 0 1 0\n", "row 3: got the vertex -3, wanted -2 or more"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "row 4: got 'f 0 1 2'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 x\n", "row 4"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\n", "row 4"),
        ("vt 0 0\n", "no vertices"),
    ],
)
def test_a_face_that_cannot_be_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "wrong.obj").write_text(text)
    with pytest.raises(PointFileError) as caught:
        read_points(tmp_path / "wrong.obj")
    assert said in str(caught.value)


@pytest.mark.parametrize("scale", [1, 255])
def test_shades_of_an_obj_are_parts_of_one_or_bytes(tmp_path, scale):
    (tmp_path / "points.obj").write_text(f"v 0 0 0 0 {0.2 * scale} {scale}\nv 1 0 0 {scale} 0 0\n")
    columns = read_points(tmp_path / "points.obj").columns
    assert [values.tolist() for values in columns.values()] == [[0, 255], [51, 0], [255, 0]]


@pytest.mark.parametrize("change", [str.upper, str.title])
def test_ascii_stl_is_read_in_large_letters(tmp_path, change):
    (tmp_path / "square.stl").write_text(change(SURFACES["square.stl"]))
    assert len(read_points(tmp_path / "square.stl", PointReadOptions(samples=10))) == 10


def test_names_in_ply_are_read_in_large_letters(tmp_path):
    lines = SURFACES["ascii.ply"].splitlines()
    text = "\n".join(line.upper() if "list" in line else line for line in lines)
    names = {"float x": "float X", "float y": "float Y", "float z": "float Z", "vertex 4": "VERTEX 4", "face": "Face"}
    for name, large in names.items():
        text = text.replace(name, large)
    text = text.replace(*["PROPERTY LIST UCHAR INT VERTEX_INDICES", "property list uchar int Vertex_Indices"])
    (tmp_path / "large.ply").write_text(text + "\n")
    cloud = read_points(tmp_path / "large.ply", PointReadOptions(samples=50))
    np.testing.assert_allclose(cloud.columns["red"], 100 * cloud.positions.sum(1), atol=0.5)


def test_points_of_a_ply_keep_their_axes_and_weights(tmp_path):
    header = "ply\nformat ascii 1.0\nelement vertex 2\n" + "".join(
        f"property double {n}\n" for n in ("X", "Z", "Weight")
    )
    (tmp_path / "points.ply").write_text(header + "end_header\n1 2 3\n4 5 6\n")
    cloud = read_points(tmp_path / "points.ply")
    assert (cloud.positions.tolist(), cloud.weights.tolist()) == ([[1, 2], [4, 5]], [3, 6])
    write_points(tmp_path / "again.ply", cloud)
    assert b"property double x\nproperty double z\nproperty double weight\n" in (tmp_path / "again.ply").read_bytes()
