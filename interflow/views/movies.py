"""Movies of runs: frames on fixed axes and a fixed colour scale."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from interflow.errors import ArgumentError, StorageError, needed_package
from interflow.solution import Solution
from interflow.storage.outputs import output_file
from interflow.views.colours import Colour, ColourScale
from interflow.views.evolutions import DENSITIES, Grid, legend
from interflow.views.panels import DOTS, Panel, draw_energy, time_colour
from interflow.views.picture import POINTS, Clouds, Legend, NotebookFigure, add_legend, join_title, time_labels

_DPI: Final = 100
_WIDTH, _HEIGHT = 8.0, 7.6  # that a cloud has at most, in inches
_CURVE: Final = 1.7
_SECONDS: Final = 6.0  # that a movie is to last, between the rates below
_MIN_RATE, _MAX_RATE = 5, 30  # frames a second
_MAX_FRAMES: Final = 900  # frames of a movie; of a longer run, evenly spread ones
_HOLD: Final = 1.0  # seconds that the end is seen
_ENCODINGS: Final = {
    ".mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-preset", "medium", "-movflags", "+faststart"),
    ".gif": (
        *("-c:v", "gif", "-pix_fmt", "pal8", "-filter_complex"),
        "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none",
        *("-loop", "0"),
    ),
}
"""Options of ffmpeg by format."""

Pixels = NDArray[np.uint8]


def movie(
    solution: Solution,
    file: str | os.PathLike[str],
    *,
    picture: str | None = None,
    colour: Colour | None = None,
    rate: float | None = None,
    title: str = "",
    progress: bool | None = None,
) -> Path:
    """Write a movie of a run. One frame is in memory at a time; the last one is held for a second.

    Args:
        solution: the run, in memory or on disk.
        file: its name ends in ``.mp4`` (H.264, which every player shows) or ``.gif``.
        picture: ``"evolution"`` for dots, ``"density"`` for the mass in cells; None for dots of clouds up to 20 000
            particles and cells beyond, and for dots where a colour is given.
        colour: what the colour of a dot shows, as in `evolution`; None for time.
        rate: frames a second; by default 6 seconds for the whole run, but from 5 to 30 frames a second.
        title: first line.
        progress: None shows a bar in notebooks and terminals.

    Returns:
        The file.

    Raises:
        ArgumentError: for an argument that cannot be used.
        MissingPackageError: without the package imageio-ffmpeg.
        StorageError: if the file cannot be written to its end; then there is none.
    """
    path = Path(file)
    _check(path, rate)
    clouds = Clouds(solution)
    frames = clouds.spread(_MAX_FRAMES).tolist()
    stage = _Stage(clouds, _dotted(picture, colour, clouds), colour, title)
    rate = float(np.clip(len(frames) / _SECONDS, _MIN_RATE, _MAX_RATE)) if rate is None else rate
    from tqdm.auto import tqdm  # takes a moment to import, and only runs and movies need it

    with _writer(path, rate, stage.size) as add:
        for frame in tqdm(frames, unit=" frames", disable=None if progress is None else not progress):
            pixels = stage.pixels(frame)
            add(pixels)
        for _ in range(round(_HOLD * rate)):
            add(pixels)
    return path


class _Stage:
    """A figure of one frame at a time: the cloud, its time, and its place on the energy curve below."""

    def __init__(self, clouds: Clouds, dotted: bool, colour: Colour | None, title: str) -> None:
        self._clouds, self._times = clouds, time_labels(clouds.times)
        width, height = _size(clouds)
        self._picture = NotebookFigure(width + 1.4, height + _CURVE + 1.0, join_title(title, clouds.note(dots=dotted)))
        self._picture.set_dpi(_DPI)
        self._canvas: Any = FigureCanvasAgg(self._picture)
        places = self._picture.add_gridspec(2, 1, height_ratios=(height + 0.6, _CURVE))
        above, below = places[0], places[1]
        area, shown = width * height, self._picture
        meaning: Legend | None
        if dotted:
            scale = ColourScale("time" if colour is None else colour, clouds)
            self._panel: Panel = DOTS[clouds.axes](shown, above, clouds, scale, area)
            meaning = scale.legend
        else:
            grid = Grid(clouds)
            norm = grid.norm()
            self._panel = DENSITIES[clouds.axes](shown, above, grid, norm)
            meaning = None if clouds.axes == 1 else legend(grid, norm)
        if meaning is not None:
            add_legend(self._picture, [self._panel.axes], meaning)
        curve = self._picture.add_subplot(below)
        draw_energy(curve, clouds, [])
        self._marker = curve.scatter(clouds.times[:1], clouds.energies[:1], s=36, zorder=3)
        self._fixed = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame [pixels], both even."""
        width, height = self._canvas.get_width_height()
        return width - width % 2, height - height % 2

    def pixels(self, frame: int) -> Pixels:
        """Return the figure's pixels at a frame, ``(height, width, 3)``."""
        clouds = self._clouds
        tint = time_colour(clouds, frame)
        self._panel.show(frame)
        self._panel.axes.set_title(f"t = {self._times[frame]}", fontsize=12, color=tint)
        self._marker.set_offsets([[clouds.times[frame], clouds.energies[frame]]])
        self._marker.set_color([tint])
        self._canvas.draw()
        if not self._fixed:  # the places of everything, which are found once so that nothing moves but the cloud
            self._picture.set_layout_engine("none")
            self._fixed = True
        drawn: Pixels = np.asarray(self._canvas.buffer_rgba())[..., :3]
        width, height = self.size
        return np.ascontiguousarray(drawn[:height, :width])


def _dotted(picture: str | None, colour: Colour | None, clouds: Clouds) -> bool:
    if picture not in (None, "evolution", "density"):
        raise ArgumentError("picture", came=repr(picture), wanted="'evolution', 'density' or None")
    if picture == "density" and colour is not None:
        raise ArgumentError("colour", came=repr(colour), wanted="None with 'density', whose colours are the density")
    return picture == "evolution" or (picture is None and (colour is not None or clouds.count <= POINTS))


def _size(clouds: Clouds) -> tuple[float, float]:
    """Return width and height of a cloud [inches]."""
    if clouds.axes == 1:
        return _WIDTH, 3.0
    lower, upper = clouds.limits
    proportion = float((upper - lower)[1] / (upper - lower)[0]) if clouds.axes == 2 else 0.9
    width = min(_WIDTH, _HEIGHT / proportion)
    return max(width, 4.5), max(width * proportion, 1.5)


def _check(path: Path, rate: float | None) -> None:
    if path.suffix.lower() not in _ENCODINGS:
        raise ArgumentError("file", came=str(path), wanted=f"a name that ends in {' or '.join(_ENCODINGS)}")
    if rate is not None and not 0.0 < rate < np.inf:
        raise ArgumentError("rate", came=rate, wanted="a positive number of frames a second")
    with needed_package("imageio-ffmpeg", extra="movie", needed_for=f"The movie {path.name}"):
        import imageio_ffmpeg  # noqa: F401


@contextmanager
def _writer(path: Path, rate: float, size: tuple[int, int]) -> Iterator[Callable[[Pixels], object]]:
    """Yield a function that adds a frame to a movie; the file appears when the block succeeds."""
    from imageio_ffmpeg import get_ffmpeg_exe

    width, height = size
    exact = Fraction(rate).limit_denominator()
    frames = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{exact}", "-i", "-")
    with output_file(path) as unfinished, TemporaryFile() as said:
        target = str(unfinished.absolute())  # a relative one may look like an option or a protocol
        command = [get_ffmpeg_exe(), "-y", "-v", "error", *frames, *_ENCODINGS[path.suffix.lower()], target]
        with (
            suppress(BrokenPipeError),  # where it ended early; it says why
            Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=said, process_group=0) as encoder,  # spared by Ctrl-C
        ):
            stream = encoder.stdin
            assert stream is not None
            try:
                yield lambda pixels: stream.write(pixels.data)
            except BaseException:
                encoder.kill()
                raise
        if encoder.returncode != 0:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            reason = lines[-1] if lines else f"ffmpeg ended with exit code {encoder.returncode}"
            raise StorageError(f"{path}: cannot write it: {reason}")
