"""What is written is read again, in every format."""

from itertools import product

import laspy
import numpy as np
import pytest
import torch

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points import FORMATS, PointCloud, PointReadOptions, check_points, read_points, write_points
from tests.storage.points.files import POINT_FORMATS, SURFACES, cloud, good_files

COLUMNLESS = ("npy", "obj")
WEIGHTLESS = ("npy", "obj")


@pytest.mark.parametrize("suffix", POINT_FORMATS)
def test_points_come_back_in_order(tmp_path, suffix):
    given = cloud()
    write_points(tmp_path / f"points.{suffix}", given)
    back = read_points(tmp_path / f"points.{suffix}")
    np.testing.assert_allclose(back.positions, given.positions, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("suffix", [suffix for suffix in POINT_FORMATS if suffix not in COLUMNLESS])
def test_columns_come_back_by_name(tmp_path, suffix):
    given = cloud()
    write_points(tmp_path / f"points.{suffix}", given)
    back = read_points(tmp_path / f"points.{suffix}")
    name = "column4" if suffix == "xyz" else "red"
    np.testing.assert_array_equal(back.columns[name], given.columns["red"])


@pytest.mark.parametrize("suffix", [suffix for suffix in POINT_FORMATS if suffix not in WEIGHTLESS])
def test_weights_come_back(tmp_path, suffix):
    given = PointCloud(cloud().positions, weights=np.linspace(0.0, 2.0, 20))
    write_points(tmp_path / f"points.{suffix}", given)
    np.testing.assert_allclose(read_points(tmp_path / f"points.{suffix}").weights, given.weights)


@pytest.mark.parametrize(
    ("suffix", "dimension"),
    [*product(["npy", "npz", "csv", "ply"], [1, 2, 3]), ("xyz", 2), ("xyz", 3)],  # one number in XYZ is a count
)
def test_any_dimension_up_to_three_comes_back_to_the_bit(tmp_path, suffix, dimension):
    given = cloud(dimension=dimension).positions
    write_points(tmp_path / f"points.{suffix}", PointCloud(given))
    np.testing.assert_array_equal(read_points(tmp_path / f"points.{suffix}").positions, given)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_text_keeps_every_digit_of_the_dtype(tmp_path, dtype):
    given = cloud(count=200).positions.astype(dtype)
    write_points(tmp_path / "points.csv", PointCloud(given))
    np.testing.assert_array_equal(read_points(tmp_path / "points.csv").positions.astype(dtype), given)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", "<u8", "<f2", np.longdouble])
def test_arrays_of_any_machine_are_read_in_the_order_of_this_one(tmp_path, dtype):
    np.save(tmp_path / "points.npy", np.arange(6).reshape(3, 2).astype(dtype))
    positions = read_points(tmp_path / "points.npy").positions
    assert torch.as_tensor(positions, dtype=torch.float64).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_colours_of_vertices_come_back_from_obj(tmp_path):
    shades = {name: np.arange(20, dtype=np.uint8) + 50 * index for index, name in enumerate(("red", "green", "blue"))}
    write_points(tmp_path / "points.obj", PointCloud(cloud().positions, columns=shades))
    back = read_points(tmp_path / "points.obj")
    for name, values in shades.items():
        np.testing.assert_array_equal(back.columns[name], values)


def test_a_column_of_text_comes_back(tmp_path):
    labels = np.array(["a, b", "c", "d"])
    for suffix in ("csv", "npz"):
        write_points(tmp_path / f"points.{suffix}", PointCloud(np.zeros((3, 2)), columns={"label": labels}))
        assert read_points(tmp_path / f"points.{suffix}").columns["label"].tolist() == labels.tolist()


def test_numbers_are_what_ply_and_las_hold(tmp_path):
    given = PointCloud(np.zeros((1, 3)), columns={"label": np.array(["a"])})
    for suffix in ("ply", "las"):
        with pytest.raises(ArgumentError, match="label"):
            write_points(tmp_path / f"points.{suffix}", given)


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("0,1\n2,3\n", [[0, 1], [2, 3]]),
        ("\n# made by hand\n0;1\n2;3\n", [[0, 1], [2, 3]]),
        ("y,name,x\n1,a,0\n3,b,2\n", [[0, 1], [2, 3]]),
        ('"X","Y"\n0,1\n2,3\n', [[0, 1], [2, 3]]),
        ("\ufeffx,y\r\n0,1\r\n2,3\r\n", [[0, 1], [2, 3]]),
        ("0 1\n2 3\n", [[0, 1], [2, 3]]),
        ("x y name\n0 1 a\n2 3 b\n", [[0, 1], [2, 3]]),
        ("x2,x1,x10\n1,0,5\n3,2,5\n", [[0, 1, 5], [2, 3, 5]]),
    ],
)
def test_tables_as_people_write_them_are_read(tmp_path, text, positions):
    (tmp_path / "points.csv").write_text(text, encoding="utf-8")
    assert read_points(tmp_path / "points.csv").positions.tolist() == positions


def test_a_molecule_comes_back_with_its_elements(tmp_path):
    (tmp_path / "water.xyz").write_text(SURFACES["molecule.xyz"])
    water = read_points(tmp_path / "water.xyz")
    assert water.columns["element"].tolist() == ["O", "H", "H"]
    write_points(tmp_path / "again.xyz", water)
    assert read_points(tmp_path / "again.xyz").columns["element"].tolist() == ["O", "H", "H"]


def test_stl_marks_each_point_by_a_triangle_around_it(tmp_path):
    given = cloud()
    write_points(tmp_path / "points.stl", given)
    drawn = (
        read_points(tmp_path / "points.stl", PointReadOptions(samples=20 * 300)).positions.reshape(20, 300, 3).mean(1)
    )
    np.testing.assert_allclose(drawn, given.positions, atol=1e-3)


def test_every_format_has_a_good_file_that_is_read(tmp_path):
    read = [read_points(file, PointReadOptions(samples=50)) for file in good_files(tmp_path)]
    assert {file.suffix for file in tmp_path.iterdir()} | {".jpeg"} == {s for f in FORMATS for s in f.suffixes}
    assert all(len(points) > 0 for points in read)


def las_of(folder, number, version="1.4"):
    """A scan of a point format, each of whose dimensions holds the largest value that it can."""
    header = laspy.LasHeader(point_format=number, version=version)
    header.add_extra_dim(laspy.ExtraBytesParams("normal", "3f4"))
    header.scales, header.offsets = [0.001] * 3, [500000.0, 4100000.0, 0.0]
    scan = laspy.LasData(header)
    scan.x, scan.y, scan.z = (np.random.default_rng(number).random((20, 3)) * 10 + [500000, 4100000, 50]).T
    for dimension in header.point_format.standard_dimensions:
        if dimension.name not in ("X", "Y", "Z"):
            kind = scan[dimension.name].dtype
            scan[dimension.name] = np.full(20, dimension.max if dimension.max < 2**60 else 2**60).astype(kind)
    scan["normal"] = np.arange(60).reshape(20, 3)
    scan.write(str(folder / "scan.las"))
    return read_points(folder / "scan.las")


@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("suffix", ["las", "laz"])
def test_every_point_format_of_las_comes_back_whole(tmp_path, number, suffix):
    given = las_of(tmp_path, number)
    if number >= 6:
        assert given.columns["classification"].tolist() == [255] * 20
    write_points(tmp_path / f"again.{suffix}", given)
    back = read_points(tmp_path / f"again.{suffix}")
    np.testing.assert_allclose(back.positions, given.positions, rtol=0, atol=1e-6)
    for name, values in given.columns.items():
        np.testing.assert_array_equal(back.columns[name], values)
    with laspy.open(tmp_path / f"again.{suffix}") as scan:
        assert (scan.header.point_format.id >= 6) == (number >= 6)
        assert str(scan.header.version) == "1.4"


@pytest.mark.parametrize(
    ("name", "values"), [("classification", [300]), ("classification", [0.5]), ("intensity", [-1]), ("x" * 40, [1])]
)
def test_what_las_would_cut_is_refused(tmp_path, name, values):
    with pytest.raises(ArgumentError, match=name):
        write_points(tmp_path / "points.las", PointCloud(np.zeros((1, 3)), columns={name: np.array(values)}))


@pytest.mark.parametrize("suffix", ["npz", "csv", "ply", "xyz", "las"])
def test_what_can_be_written_is_told_before_from_a_few_points(tmp_path, suffix):
    values = np.zeros(1000)
    values[700] = 300
    good = PointCloud(np.random.default_rng(0).random((1000, 3)), columns={"red": values.astype(np.int64)})
    check_points(tmp_path / f"points.{suffix}", good)
    assert list(tmp_path.iterdir()) == []
    if suffix == "las":
        with pytest.raises(ArgumentError, match="classification"):
            check_points(tmp_path / "points.las", PointCloud(good.positions, columns={"classification": values}))


def test_a_failure_of_a_writer_is_one_line(tmp_path):
    (tmp_path / "points.csv").mkdir()
    with pytest.raises(PointFileError, match="a failure as it was written"):
        write_points(tmp_path / "points.csv", cloud())
