"""Movies show every frame on axes that stay, in a size that players take."""

import subprocess
from itertools import pairwise

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

import interflow as fl
from interflow.errors import ArgumentError, StorageError
from interflow.views import movie
from tests.views.runs import solution


def seen(file, folder):
    """The frames of a movie as a player shows them."""
    player = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", file, "-fps_mode", "passthrough"]
    subprocess.run([*player, folder / "%03d.png"], check=True)
    return [np.asarray(Image.open(frame), dtype=float) for frame in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_the_frames_of_a_movie_are_those_of_the_run_and_a_second_of_its_end(tmp_path, suffix):
    run = solution(frames=4, boundary=fl.PeriodicBoundary(1.0))
    file = movie(run, tmp_path / f"run{suffix}", progress=False)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(file))
    assert count / seconds == pytest.approx(5)
    assert list(tmp_path.iterdir()) == [file]
    frames = seen(file, tmp_path)
    assert len(frames) == 4 + 5
    assert {length % 2 for length in frames[0].shape[:2]} == {0}
    changes = [np.abs(after - before).mean() for before, after in pairwise(frames)]
    assert min(changes[:3]) > 10 * max(changes[4:])


@pytest.mark.parametrize(("picture", "dimension"), [("density", 1), ("density", 2), ("evolution", 1), ("evolution", 3)])
def test_clouds_of_any_dimension_are_shown(tmp_path, picture, dimension):
    assert movie(solution(2, 20, dimension), tmp_path / "run.gif", picture=picture, progress=False).stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "options", "argument"),
    [
        ("run.avi", {}, "file"),
        ("run.mp4", {"rate": 0.0}, "rate"),
        ("run.mp4", {"picture": "oil"}, "picture"),
        ("run.mp4", {"picture": "density", "colour": "time"}, "colour"),
    ],
)
def test_a_movie_that_cannot_be_made_is_refused(tmp_path, name, options, argument):
    with pytest.raises(ArgumentError) as caught:
        movie(solution(), tmp_path / name, **options)
    assert caught.value.argument == argument


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"interflow-particles\[movie\]"):
        movie(solution(), tmp_path / "run.mp4")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError, match="cannot write the movie"):
        movie(solution(2), tmp_path / "missing" / "run.mp4", progress=False)
