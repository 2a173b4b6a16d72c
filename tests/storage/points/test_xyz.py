"""XYZ is read by what it says of itself, and what is written is read again."""

import numpy as np
import pytest

from interflow.errors import ArgumentError, PointFileError
from interflow.storage.points import PointCloud, PointReadOptions, read_points, write_points

POINTS = np.random.default_rng(3).normal(size=(4, 3)).round(4)


def xyz(folder, *lines):
    (folder / "points.xyz").write_text("\n".join(lines) + "\n")
    return folder / "points.xyz"


def frame(said, row, points=POINTS):
    return [str(len(points)), said, *(row.format(i=i, x=x, y=y, z=z) for i, (x, y, z) in enumerate(points))]


@pytest.mark.parametrize(
    ("properties", "row"),
    [
        ("species:S:1:Z:I:1:pos:R:3:forces:R:3", "Si 14 {x} {y} {z} 0.0 0.5 {i}.5"),
        ("id:I:1:forces:R:3:species:S:1:pos:R:3", "{i}  0.0 0.5 {i}.5   Si {x}   {y} {z}"),
        ("pos:R:3", "{x} {y} {z}"),
        ("species:S:1:pos:R:3:fixed:L:1", "A {x} {y} {z} T"),
    ],
)
@pytest.mark.parametrize("said", ['Properties={} pbc="T T F"', 'energy=-1.5 comment="a = b" properties = "{}"'])
def test_positions_are_the_property_called_pos(tmp_path, properties, row, said):
    cloud = read_points(xyz(tmp_path, *frame(said.format(properties), row)))
    np.testing.assert_array_equal(cloud.positions, POINTS)
    if "forces" in properties:
        assert cloud.columns["forces_2"].tolist() == [0.5, 1.5, 2.5, 3.5]
    if "species" in properties:
        assert cloud.columns["species"].dtype.kind == "U"
    if "fixed" in properties:
        assert cloud.columns["fixed"].tolist() == [True] * 4
    if "Z:I" in properties:
        assert cloud.columns["Z"].tolist() == [14] * 4
        assert list(cloud.columns) == ["species", "Z", "forces_0", "forces_1", "forces_2"]


def test_the_cell_is_read(tmp_path):
    said = 'Lattice="2 0 0 0 3 0 0.5 0 4" Origin="-1 0 0" pbc="T F T" Properties=pos:R:3'
    lattice = read_points(xyz(tmp_path, *frame(said, "{x} {y} {z}"))).lattice
    assert lattice.vectors.tolist() == [[2, 0, 0], [0, 3, 0], [0.5, 0, 4]]
    assert lattice.origin.tolist() == [-1, 0, 0]
    assert lattice.periodic == (True, False, True)


def test_a_cell_without_a_word_on_it_is_periodic(tmp_path):
    lattice = read_points(xyz(tmp_path, *frame('Lattice="2 0 0 0 2 0 0 0 2"', "C {x} {y} {z}"))).lattice
    assert lattice.periodic == (True, True, True)


def test_all_that_an_extended_file_says_comes_back(tmp_path):
    properties = "Properties=species:S:1:pos:R:3:f:R:3:id:I:1:on:L:1:mass:R:1"
    said = f'Lattice="2.0 0.0 0.0 0.0 3.0 0.0 0.0 0.0 4.0" pbc="T F T" {properties}'
    given = read_points(xyz(tmp_path, *frame(said, "007 {x} {y} {z} 1e-3 -0.0 2 {i} T 2.5")))
    write_points(tmp_path / "again.xyz", given)
    text = (tmp_path / "again.xyz").read_text()
    assert properties in text
    back = read_points(tmp_path / "again.xyz")
    np.testing.assert_array_equal(back.positions, given.positions)
    np.testing.assert_array_equal(back.weights, [2.5] * 4)
    assert back.columns.keys() == given.columns.keys()
    for name, values in given.columns.items():
        np.testing.assert_array_equal(back.columns[name], values)
        assert back.columns[name].dtype == values.dtype
    np.testing.assert_array_equal(back.lattice.vectors, given.lattice.vectors)
    assert back.lattice.periodic == given.lattice.periodic


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_points_of_any_dimension_come_back_with_weights_and_labels(tmp_path, dimension):
    given = PointCloud(
        np.random.default_rng(0).normal(size=(5, dimension)), np.ones(5), {"label": np.array(list("abcde"))}
    )
    for cloud in (given, PointCloud(given.positions), PointCloud(given.positions, columns={"column4": np.arange(5)})):
        write_points(tmp_path / "points.xyz", cloud)
        back = read_points(tmp_path / "points.xyz")
        np.testing.assert_array_equal(back.positions, cloud.positions)
        assert (back.weights is None) == (cloud.weights is None)
        assert back.columns.keys() == cloud.columns.keys()


FRAMES = [
    *frame("first", "C {x} {y} {z}"),
    "",
    *frame("# second", "H {x} {y} {z}", 2 * POINTS[:2]),
    *frame("", "O {x} {y} {z}", -POINTS),
]


@pytest.mark.parametrize(
    ("index", "points"), [(-1, -POINTS), (0, POINTS), (1, 2 * POINTS[:2]), (2, -POINTS), (-3, POINTS)]
)
def test_of_several_frames_the_last_is_taken_or_the_one_that_is_named(tmp_path, index, points):
    file = xyz(tmp_path, *FRAMES)
    np.testing.assert_array_equal(read_points(file, PointReadOptions(frame=index)).positions, points)
    if index == -1:
        np.testing.assert_array_equal(read_points(file).positions, points)


@pytest.mark.parametrize("index", [3, -4])
def test_a_frame_that_is_not_there_is_refused(tmp_path, index):
    with pytest.raises(PointFileError, match="from 0 to 2"):
        read_points(xyz(tmp_path, *FRAMES), PointReadOptions(frame=index))


def test_a_frame_is_refused_where_there_are_none(tmp_path):
    (tmp_path / "points.csv").write_text("x,y\n1,2\n")
    with pytest.raises(PointFileError, match="the frame 2"):
        read_points(tmp_path / "points.csv", PointReadOptions(frame=2))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["2", "Properties=pos:R:3", "0 0 0", "1 1 1 1"], "row 4: got 4 fields, wanted 3"),
        (["1", "Properties=species:S:1", "H"], "row 2: got the properties species, wanted one called pos"),
        (["1", "Properties=pos:R", "0 0 0"], "row 2: got Properties=pos:R"),
        (["1", "Properties=pos:Q:3", "0 0 0"], "row 2"),
        (["1", "Properties=pos:R:3", "0 0 nan"], "row 3: got 'nan'"),
        (["1", 'Lattice="1 0 0" Properties=pos:R:3', "0 0 0"], "row 2: got Lattice"),
        (["1", 'Lattice="1 0 0 0 1 0 0 0 1" pbc="T T" Properties=pos:R:3', "0 0 0"], "row 2: got Lattice"),
        (["1", "", "H 0 0 0", "H 0 0 0"], "row 4: got 'H 0 0 0', wanted the count of another frame"),
        (["3", "", "H 0 0 0", "H 0 0 0"], "row 1: got a count of 3, wanted 2"),
        (["1", "", "0 1 2"], "row 3: got 3 fields, wanted an element and 3 coordinates"),
        (["2", "Properties=pos:R:3:n:I:1", "0 0 0 1", "0 0 0 1.5"], "row 4: got '1.5'"),
        (["2", "Properties=pos:R:3:n:R:1", "0 0 0 1", "0 0 0 a"], "row 4: got 'a'"),
        (["0", ""], "a frame of no points"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path, lines, said):
    with pytest.raises(PointFileError) as caught:
        read_points(xyz(tmp_path, *lines))
    assert said in str(caught.value)


@pytest.mark.parametrize("label", ["two words", "", "tab\tbed"])
def test_words_that_a_row_would_lose_are_refused(tmp_path, label):
    with pytest.raises(ArgumentError, match="label"):
        write_points(tmp_path / "points.xyz", PointCloud(np.zeros((1, 3)), columns={"label": np.array([label])}))
