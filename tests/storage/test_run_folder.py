"""A run folder holds what was put there, or nothing."""

import json
import pickle

import numpy as np
import pytest

from interflow.errors import ArgumentError
from interflow.storage import Frames, RunFolder


@pytest.fixture
def frames():
    generator = np.random.default_rng(0)
    return Frames(
        positions=generator.random((3, 5, 2), dtype=np.float32),
        times=np.array([0.0, 0.1, 0.2]),
        steps=np.array([0, 1, 2]),
        energies=np.array([3.0, 2.0, 1.0], dtype=np.float32),
        weights=np.full(5, 0.2, dtype=np.float32),
    )


def test_frames_come_back_bit_for_bit_with_their_dtypes(tmp_path, frames):
    with RunFolder.new(tmp_path / "deep" / "run") as folder:
        folder.write_frames(frames)
    found = RunFolder(tmp_path / "deep" / "run").frames()
    for name, array in vars(frames).items():
        np.testing.assert_array_equal(getattr(found, name), array)
        assert getattr(found, name).dtype == array.dtype


def test_the_summary_comes_back(tmp_path):
    with RunFolder.new(tmp_path / "run") as folder:
        folder.write_summary({"seconds": 1.5, "energies": [1, 2], "path": tmp_path})
    assert RunFolder(tmp_path / "run").summary() == {"seconds": 1.5, "energies": [1, 2], "path": str(tmp_path)}


def test_nothing_temporary_is_left(tmp_path, frames):
    with RunFolder.new(tmp_path / "run") as folder:
        folder.write_config("seed: 0\n")
        folder.write_frames(frames)
        folder.write_picture(lambda stream: stream.write(b"png"))
        folder.write_summary({})
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert names == {"config.yaml", "frames.npz", "evolution.png", "summary.json"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_takes_the_folder_away_again(tmp_path, error):
    def broken_run():
        with RunFolder.new(tmp_path / "run") as folder:
            folder.write_config("seed: 0\n")
            raise error

    with pytest.raises(error):
        broken_run()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_breaks_off_while_it_is_written_leaves_the_old_one(tmp_path):
    def fail(stream):
        stream.write(b"half")
        raise OSError

    with RunFolder.new(tmp_path / "run") as folder:
        folder.write_picture(lambda stream: stream.write(b"whole"))
        with pytest.raises(OSError):  # noqa: PT011 (raised above)
            folder.write_picture(fail)
    assert [file.read_bytes() for file in (tmp_path / "run").iterdir()] == [b"whole"]


def test_what_is_there_already_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in (".", "file"):
        with pytest.raises(ArgumentError, match="new folder"), RunFolder.new(tmp_path / name):
            pass
    assert (tmp_path / "file").read_text() == "mine"


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


@pytest.mark.parametrize(
    "write",
    [
        lambda file: None,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no archive"),
        lambda file: file.write_bytes(pickle.dumps(_Bomb())),
        lambda file: np.savez(file, positions=np.array([_Bomb()], dtype=object)),
        lambda file: np.savez(file, positions=np.zeros(3)),
    ],
    ids=["missing", "empty", "text", "pickle", "objects", "incomplete"],
)
def test_frames_that_are_none_are_refused_and_never_executed(tmp_path, write):
    write(tmp_path / "frames.npz")
    with pytest.raises(ArgumentError, match=r"frames\.npz"):
        RunFolder(tmp_path).frames()


def test_a_summary_that_is_none_is_refused(tmp_path):
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(ArgumentError, match=r"summary\.json"):
        RunFolder(tmp_path).summary()


def test_a_summary_is_json(tmp_path):
    with RunFolder.new(tmp_path / "run") as folder:
        folder.write_summary({"σ": 1})
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {"σ": 1}
