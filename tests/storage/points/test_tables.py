"""A table keeps all that it says: rows, labels, names."""

import csv

import numpy as np
import pytest

from interflow.errors import PointFileError
from interflow.storage.points import PointCloud, read_points, write_points

SQUARE = [[0.0, 1.0], [2.0, 3.0]]


def table(folder, text, name="points.csv"):
    (folder / name).write_bytes(text.encode())
    return read_points(folder / name)


def header(folder, cloud):
    write_points(folder / "again.csv", cloud)
    with open(folder / "again.csv", newline="") as stream:
        return next(csv.reader(stream))


def test_a_sharp_begins_a_comment_only_before_the_first_row_of_data(tmp_path):
    rows = "".join(f"{'#' if i % 2 else ''}{i},{i}.5,0,run #{i}\n" for i in range(20))
    cloud = table(tmp_path, f"# made by hand\nid,x,y,label\n# in metres\n{rows}")
    assert len(cloud) == 20
    assert cloud.positions[:, 0].tolist() == [i + 0.5 for i in range(20)]
    assert cloud.columns["id"].tolist() == [f"{'#' if i % 2 else ''}{i}" for i in range(20)]
    assert cloud.columns["label"].tolist() == [f"run #{i}" for i in range(20)]


def test_a_comment_among_the_data_is_refused_with_its_line(tmp_path):
    with pytest.raises(PointFileError, match="row 3: got 1 fields, wanted 2"):
        table(tmp_path, "x,y\n1,2\n# a comment\n3,4\n")


@pytest.mark.parametrize(
    "text",
    [
        "x,y\r\n0,1\r\n2,3",
        "x,y\r0,1\r2,3\r",
        "x;y\n0;1\n2;3\n",
        "x\ty\n0\t1\n2\t3\n",
        "x  y\n 0   1  \n2 3\n\n\n",
        '"x", y\n\n 0 , 1\n\n2,3.0e0\n',
        '"name, first",x,y\n"a, b",0,1\n"c",2,3\n',
        "0.0,1\n2,3\n",
    ],
)
def test_tables_of_any_program_are_read(tmp_path, text):
    assert table(tmp_path, text).positions.tolist() == SQUARE


def test_scientific_notation_and_the_sign_of_zero_are_kept(tmp_path):
    positions = table(tmp_path, "1e-3,-0.0\n+2.5E+2,-1\n").positions
    assert positions.tolist() == [[1e-3, 0.0], [250.0, -1.0]]
    assert np.signbit(positions[0, 1])


def test_labels_stay_whole(tmp_path):
    labels = ["a, b", 'he said "no"', "two\nlines", "5 # 6", "", " x "]
    given = PointCloud(np.zeros((6, 2)), columns={"label": np.array(labels)})
    write_points(tmp_path / "points.csv", given)
    back = read_points(tmp_path / "points.csv").columns["label"].tolist()
    assert [label.strip() for label in back] == [label.strip() for label in labels]


@pytest.mark.parametrize("labels", [["007", "1"], ["1_2", "3_4"], ["99999999999999999999", "1"], ["1", "b"]])
def test_names_made_of_digits_stay_names(tmp_path, labels):
    text = "x,y,id\n" + "".join(f"0,0,{label}\n" for label in labels)
    assert table(tmp_path, text).columns["id"].tolist() == labels


def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path):
    with pytest.raises(PointFileError, match="quotes are closed"):
        table(tmp_path, 'x,y,label\n0,1,"a\n2,3,b\n')


@pytest.mark.parametrize(
    "names", ["x,z", "x0,x1", "X,Y", "y,x", "x1,x2,x3,x4", "z", "x,y,mass", "x,y,weights", "x,y,z,label"]
)
def test_names_come_back_as_they_were(tmp_path, names):
    given = sorted(names.split(","), key="xyzXYZ".find) if names == "y,x" else names.split(",")
    assert (
        header(tmp_path, table(tmp_path, f"{names}\n" + 2 * (",".join("1234"[: len(names.split(","))]) + "\n")))
        == given
    )


@pytest.mark.parametrize("names", ["x,y,x", "X,Y,x", "x,y,mass,weight", "x,y,a,a", "x0,x1,x", "x,y,weight,Weight"])
def test_columns_called_alike_overwrite_neither_coordinates_nor_weights_nor_each_other(tmp_path, names):
    count = len(names.split(","))
    given = table(
        tmp_path, f"{names}\n" + "".join(",".join(f"{10 * i + j}" for j in range(count)) + "\n" for i in (1, 2))
    )
    assert given.positions.tolist() == [[10, 11], [20, 21]]
    write_points(tmp_path / "again.csv", given)
    back = read_points(tmp_path / "again.csv")
    assert back.positions.tolist() == given.positions.tolist()
    assert (back.weights is None) == (given.weights is None)
    assert back.weights is None or back.weights.tolist() == given.weights.tolist()
    kept = [*given.columns.values(), *([] if given.weights is None else [given.weights])]
    assert sorted(values.tolist() for values in kept) == sorted([10.0 + j, 20.0 + j] for j in range(2, count))
    assert {name: values.tolist() for name, values in back.columns.items()} == {
        name: values.tolist() for name, values in given.columns.items()
    }


@pytest.mark.parametrize("suffix", ["npz", "ply", "xyz", "las"])
def test_no_format_lets_a_column_overwrite_what_is_called_alike(tmp_path, suffix):
    columns = {name: np.full(3, 7.0) for name in ("x", "weight", "positions.npy", "pos", "mass")}
    given = PointCloud(np.arange(9.0).reshape(3, 3), np.ones(3), columns)
    write_points(tmp_path / f"points.{suffix}", given)
    back = read_points(tmp_path / f"points.{suffix}")
    np.testing.assert_allclose(back.positions, given.positions, atol=1e-6)


def test_a_row_that_counts_columns_is_one_of_names(tmp_path):
    cloud = table(tmp_path, "0,1\n0.5,0.25\n1.5,3.0\n")
    assert cloud.positions.tolist() == [[0.5, 0.25], [1.5, 3.0]]
    assert header(tmp_path, cloud) == ["0", "1"]
    assert table(tmp_path, "0,1,2\n0.5,0.25,7\n1.5,3.0,8\n").positions.tolist() == [[0.5, 0.25, 7], [1.5, 3.0, 8]]
    assert table(tmp_path, ",0,1\n0,0.5,0.25\n1,1.5,3.0\n").positions.tolist() == [[0.5, 0.25], [1.5, 3.0]]
    assert table(tmp_path, "0,1,weight\n1,2,3\n4,5,6\n").positions.tolist() == [[1, 2], [4, 5]]


def test_a_point_of_whole_numbers_among_others_is_a_point(tmp_path):
    assert len(table(tmp_path, "0,1\n2,3\n")) == 2
    assert len(table(tmp_path, "0,1\n0.5,0.88\n1,0.54\n")) == 3
    assert len(table(tmp_path, "0,1\n")) == 1
