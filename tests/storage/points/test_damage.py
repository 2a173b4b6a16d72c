"""A damaged file gives points or one clear line, and never a traceback of another kind or a hang."""

import faulthandler
import logging

import numpy as np
import pytest

from interflow.errors import PointFileError
from interflow.storage.points import PointReadOptions, read_points, write_points
from tests.storage.points.files import cloud, corpus, good_files

SMALL = PointReadOptions(samples=50, pixels=1000)


def survives(folder, count, seed):
    """Reads a corpus; a file that takes a minute ends the process with its traceback."""
    files = good_files(folder)
    refusals = []
    for index, (suffix, content) in enumerate(corpus(files, count, seed)):
        file = folder / f"damaged{index}{suffix}"
        file.write_bytes(content)
        faulthandler.dump_traceback_later(60, exit=True)
        try:
            points = read_points(file, SMALL)
        except PointFileError as error:
            refusals.append(str(error).removeprefix(str(file)))
        else:
            assert len(points) > 0
            assert np.isfinite(points.positions).all()
        finally:
            faulthandler.cancel_dump_traceback_later()
    assert len(refusals) > count / 4
    assert all(said.startswith((":", ", row")) and "\n" not in said for said in refusals)


def test_a_hundred_damaged_files_are_read_or_refused(tmp_path):
    survives(tmp_path, 100, seed=0)


@pytest.mark.full
def test_a_thousand_damaged_files_are_read_or_refused(tmp_path):
    survives(tmp_path, 1000, seed=1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "got 0 bytes"),
        ("blank.csv", b"\n\n", "no points"),
        ("names.csv", b"x,y\n", "no row of numbers"),
        ("word.csv", b"x,y\n1,2\n3,four\n", "row 3: got 'four', wanted a finite number"),
        ("nan.csv", b"# a comment\nx,y\n\n1,2\n3,nan\n", "row 5: got 'nan', wanted a finite number"),
        ("mixed.csv", b"1,2\n3,4\n5,6,7\n", "row 3: got 3 fields, wanted 2"),
        ("lost.csv", b"lon,lat\n1,2\n", "Rename the columns"),
        ("negative.csv", b"x,weight\n1,2\n\n3,-4\n", "row 4: got the weight -4, wanted a finite number"),
        ("named.csv", b"x,weight\n1,2\n3,much\n", "row 3: got the weight 'much'"),
        ("massless.csv", b"x,weight\n1,0\n3,0\n", "weights that are all 0"),
        ("liar.xyz", b"5\n\nH 0 0 0\nH 1 0 0\n", "row 1: got a count of 5, wanted 2"),
        ("short.xyz", b"0 0 0\n1 1\n", "row 2: got 2 fields, wanted 3"),
        ("word.obj", b"v 0 0 0\nv 1 x 0\n", "row 2"),
        ("far.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "far.obj"),
        ("binary.csv", b"\xff\xfe\x00\x01", "a text file"),
        ("text.npy", b"1 2 3", "a NumPy array of numbers"),
        ("text.jpg", b"1 2 3", "an image"),
        (
            "liar.ply",
            b"ply\nformat ascii 1.0\nelement vertex 900000000000\nproperty float x\nend_header\n1\n",
            "a header that counts 900000000000 of vertex",
        ),
        (
            "short.ply",
            b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nend_header\n1 2\n3 4\n",
            "row 2",
        ),
    ],
)
def test_the_message_names_the_file_and_the_row(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PointFileError) as caught:
        read_points(tmp_path / name)
    assert name in str(caught.value)
    assert said in str(caught.value)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(PointFileError, match="pickled objects, which are not loaded"):
        read_points(tmp_path / "objects.npy")


def test_an_array_whose_header_promises_too_much_asks_for_no_memory(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000000000, 2), }"
    header += b" " * (117 - len(header)) + b"\n"
    (tmp_path / "liar.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(PointFileError, match="a header of shape"):
        read_points(tmp_path / "liar.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "large.npz", positions=np.zeros((1000, 2)))
    monkeypatch.setattr("interflow.storage.points.arrays.MAX_FILE_BYTES", 1000)
    with pytest.raises(PointFileError, match="bytes packed in it"):
        read_points(tmp_path / "large.npz")


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    good_files(tmp_path)
    monkeypatch.setattr("interflow.storage.points.image.MAX_PIXELS", 100)
    with pytest.raises(PointFileError, match="16 × 12 pixels"):
        read_points(tmp_path / "photo.png")


def test_weights_that_are_no_numbers_are_refused_in_archives_too(tmp_path):
    np.savez(tmp_path / "words.npz", positions=np.zeros((2, 2)), weights=np.array(["a", "b"]))
    with pytest.raises(PointFileError, match="weights"):
        read_points(tmp_path / "words.npz")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PointFileError, match="no such file"):
        read_points(tmp_path / "missing.csv")


def test_an_unknown_suffix_is_told_which_there_are(tmp_path):
    with pytest.raises(PointFileError, match=r"\.ply"):
        read_points(tmp_path / "points.doc")


@pytest.mark.parametrize(("place", "said"), [(100, "records"), (243, "extended records")])
def test_a_scan_whose_header_counts_records_that_are_not_there_is_refused_at_once(tmp_path, place, said):
    content = bytearray(write_scan(tmp_path / "scan.las").read_bytes())
    content[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "liar.las").write_bytes(content)
    with pytest.raises(PointFileError, match=f"a header that counts 4294967295 {said}"):
        read_points(tmp_path / "liar.las")


def test_a_compressed_scan_whose_table_of_chunks_lies_is_refused_at_once(tmp_path):
    content = bytearray(write_scan(tmp_path / "scan.laz").read_bytes())
    start = int.from_bytes(content[96:100], "little")
    table = int.from_bytes(content[start : start + 8], "little")
    content[table + 4 : table + 8] = b"\xff\xff\xff\xff"
    (tmp_path / "liar.laz").write_bytes(content)
    with pytest.raises(PointFileError, match="a damaged table of chunks"):
        read_points(tmp_path / "liar.laz")


def write_scan(file):
    write_points(file, cloud())
    return file


def test_a_parser_logs_nothing_and_may_log_again_afterwards(tmp_path, caplog):
    file = tmp_path / "torn.stl"
    file.write_bytes(b"solid square\nfacet normal x y z\nvertex 0 0\nendsolid")
    level = logging.getLogger("trimesh").level
    with pytest.raises(PointFileError):
        read_points(file)
    assert caplog.records == []
    assert logging.getLogger("trimesh").level == level
