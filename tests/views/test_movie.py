"""Movies show every frame on axes that stay, in a size that players take."""

import subprocess
from itertools import pairwise

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

import interflow as fl
from interflow.errors import ArgumentError
from interflow.views import movie, movies
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


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ArgumentError, match="a file that can be written"):
        movie(solution(2), tmp_path / "missing" / "run.mp4", progress=False)


def centre(image, panel):
    """Where the strong colours are in the frame of a panel, in its units."""
    left, low, right, high = (round(edge) for edge in panel.get_window_extent().extents)
    inner = image[::-1][low + 3 : high - 3, left + 3 : right - 3, :3]
    rows, columns = np.nonzero(inner.min(2) < 90)  # neither white nor grey
    assert len(rows) > 0
    return panel.transData.inverted().transform((columns.mean() + left + 3.5, rows.mean() + low + 3.5))


@pytest.mark.parametrize("picture", ["evolution", "density"])
def test_a_movie_shows_where_a_particle_is_frame_by_frame(tmp_path, monkeypatch, picture):
    places = torch.tensor([[11.0, -2.8], [13.4, -2.2], [10.4, -2.5], [12.0, -1.4], [12.9, -1.2]])
    box = fl.PeriodicBoundary(torch.tensor([4.0, 2.0]), lower=torch.tensor([10.0, -3.0]))
    energies = torch.tensor([4.0, 1.0, 3.0, 0.0, 2.0])
    run = solution(positions=places[:, None], boundary=box, energies=energies)
    stages = []

    class Watched(movies._Stage):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            stages.append(self)

    monkeypatch.setattr(movies, "_Stage", Watched)
    frames = seen(movie(run, tmp_path / "run.gif", picture=picture, progress=False), tmp_path)
    (stage,) = stages
    cloud, curve = stage._panel.axes, stage._marker.axes
    shown = [*range(len(run)), *[len(run) - 1] * (len(frames) - len(run))]
    assert len(shown) > len(run)
    width = 0.005 if picture == "evolution" else 4.0 / 24
    for image, frame in zip(frames, shown, strict=True):
        rows = image.shape[0]
        image = image[: rows - rows % 2]
        np.testing.assert_allclose(centre(image, cloud), places[frame], atol=4 * width)
        np.testing.assert_allclose(centre(image, curve), (run.times[frame], energies[frame]), atol=0.05)
