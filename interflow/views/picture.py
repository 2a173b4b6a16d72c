"""Figures for notebooks, their styles, and the drawn part of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, Final, final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray
from torch import Tensor

from interflow.solution import Solution

GREY: Final = "0.35"
PALE: Final = "0.75"
TIME_CMAP: Final[Colormap] = LinearSegmentedColormap.from_list("time", [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])
"""Colour map of time, from blue at the start of a run (0) to red at its end (1)."""
SEQUENTIAL_CMAP: Final = LinearSegmentedColormap.from_list(
    "scale", ["#fde0a6", "#f6a35c", "#dd5a5f", "#a5307a", "#5a1d75", "#1a1042"]
)
"""Sequential colour map, from pale to dark on a white ground."""
DPI: Final = 150
_CSS_PIXELS: Final = 96  # an inch on a page
_MAX_PIXELS: Final = 60_000  # along a side, of the 2¹⁶ that matplotlib draws
_LETTERS: Final = 11  # of a title, that fit into an inch
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"

Legend = tuple[ScalarMappable, str]
"""The mappable of a colour bar, and its name."""


@final
class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows at its size, whether or not pyplot is in use.

    Args:
        width: in inches.
        height: in inches.
        title: the first line.
    """

    def __init__(self, width: float, height: float, title: str = "") -> None:
        dpi = min(DPI, int(_MAX_PIXELS / max(width, height)))
        super().__init__(figsize=(width, height), dpi=dpi, layout="constrained")
        if title:
            self.suptitle(plain(title, int(width * _LETTERS)), fontsize=10, parse_math=False)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        stream = BytesIO()
        self.savefig(stream, format="png")
        width, height = (round(inches * _CSS_PIXELS) for inches in self.get_size_inches())
        return stream.getvalue(), {"width": width, "height": height}


def plain(text: str, most: int) -> str:
    """A name from outside as one line that can be drawn; draw it with ``parse_math=False``, since it may have ``$``.

    What the font does not have is drawn as a replacement character, and a long text loses its middle.

    Example:
        >>> plain("a cloud\\n of_$10^3$", most=100), plain("abcdefghij", most=5)
        ('a cloud  of_$10^3$', 'ab…ij')
    """
    fonts = [get_font(findfont(FontProperties(family=[family]))) for family in FontProperties().get_family()]

    def drawn(letter: str) -> str:
        if letter.isspace():
            return " "
        known = letter.isprintable() and any(font.get_char_index(ord(letter)) for font in fonts)
        return letter if known else _UNKNOWN

    line = "".join(map(drawn, text))
    return line if len(line) <= most else f"{line[: most // 2]}…{line[len(line) - (most - 1) // 2 :]}"


def join_title(*parts: str) -> str:
    """Join the non-empty parts of a title."""
    return "  ·  ".join(filter(None, parts))


def style_axes(panel: Axes, *, open: bool = True) -> None:
    """Draw ticks grey and edges pale; an open panel has no edge above and at its right."""
    panel.tick_params(which="both", labelsize=8, colors=GREY)
    panel.spines[:].set_color(PALE)
    if open:
        panel.spines[["top", "right"]].set_visible(False)


def add_legend(parent: FigureBase, panels: Sequence[Axes], legend: Legend) -> None:
    """Add a colour bar at the right of some panels; the ticks of a mappable with an array are its values."""
    mappable, name = legend
    bar = parent.colorbar(mappable, ax=list(panels), aspect=30, pad=0.015)
    bar.set_label(plain(name, 50), parse_math=False)
    if (only := mappable.get_array()) is not None:
        bar.set_ticks(only.tolist(), labels=[f"{value:.7g}" for value in only])
    bar.ax.tick_params(which="both", labelsize=8, colors=GREY)
    bar.outline.set_visible(False)


Array = NDArray[np.float64]

POINTS: Final = 20_000
"""Points drawn of each cloud; of a larger one, evenly spread ones."""
NAMES: Final = ("x", "y", "z")
"""Names of the drawn axes."""
_MIN_EXTENT: Final = 1e-9  # width of open space around points, as a part of how far they are from the origin
_LONG: Final = 1e6  # a time from which on it is written with an exponent
_MARGIN: Final = 0.08  # around points in open space, as a part of what they span


@final
class Clouds:
    """The drawn part of a run: at most three axes, and a sample of the particles.

    Args:
        solution: the run; a frame is read when it is asked for.

    Attributes:
        axes: how many of the run's axes are drawn: the first three, or fewer.
        sample: an index of the particles that are drawn as dots.
    """

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        _, self.count, self.dimension = solution.positions.shape
        self.axes = min(self.dimension, len(NAMES))
        large = self.count > POINTS
        self.sample: Any = np.linspace(0, self.count - 1, POINTS).astype(int) if large else slice(None)

    def __len__(self) -> int:
        return len(self.solution)

    @property
    def drawn(self) -> int:
        """Number of particles drawn as dots."""
        return min(self.count, POINTS)

    @property
    def times(self) -> Array:
        """``(frames,)``."""
        return to_numpy(self.solution.times)

    @property
    def energies(self) -> Array:
        """``(frames,)``."""
        return to_numpy(self.solution.energies)

    @property
    def weights(self) -> Array:
        """``(N,)``."""
        return to_numpy(self.solution.weights)

    def positions(self, frame: int) -> Array:
        """Return all particles on the drawn axes, ``(N, axes)``, wrapped into the domain."""
        positions = self.solution.positions[frame].detach().cpu()
        return to_numpy(self.solution.extent.inside(positions))[:, : self.axes]

    def dots(self, frame: int) -> Array:
        """Return the particles drawn as dots, ``(drawn, axes)``."""
        return np.asarray(self.positions(frame)[self.sample])

    @cached_property
    def limits(self) -> tuple[Array, Array]:
        """Lower and upper corner of the drawn box, the same in all frames.

        They are those of the domain; where it has no end, those of a square around the points of all frames.
        """
        extent = self.solution.extent
        lower, upper = (to_numpy(corner)[: self.axes] for corner in (extent.lower, extent.upper))
        if np.isfinite([lower, upper]).all():
            return lower, upper
        lowest, highest = self._span()
        centre = (lowest + highest) / 2
        least = _MIN_EXTENT * float(np.abs(centre).max())  # what numbers of this size are told apart by
        half = (0.5 + _MARGIN / 2) * max(float((highest - lowest).max()) or 1.0, least)
        return np.where(np.isfinite(lower), lower, centre - half), np.where(np.isfinite(upper), upper, centre + half)

    def _span(self) -> tuple[Array, Array]:
        """Return the corners of a box around all finite points; the origin if there are none."""
        lowest, highest = np.full(self.axes, np.inf), np.full(self.axes, -np.inf)
        for frame in range(len(self)):
            points = self.positions(frame)
            finite = points[np.isfinite(points).all(-1)]
            lowest = np.minimum(lowest, finite.min(0, initial=np.inf))
            highest = np.maximum(highest, finite.max(0, initial=-np.inf))
        some = np.isfinite(lowest)
        return np.where(some, lowest, 0.0), np.where(some, highest, 0.0)

    def spread(self, most: int) -> NDArray[np.int_]:
        """Return evenly spread frames of the run, the first and the last among them."""
        return np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int))

    def note(self, *, dots: bool = True) -> str:
        """Return the number of particles, and what is not drawn, as text."""
        drawn = f", {POINTS:,} drawn" if dots and self.count > POINTS else ""
        axes = f", the first {self.axes} of {self.dimension} axes" if self.dimension > self.axes else ""
        return f"{self.count:,} particle{'' if self.count == 1 else 's'}{drawn}{axes}"


def to_numpy(values: Tensor) -> Array:
    """Return a tensor as a float64 array."""
    return np.asarray(torch.as_tensor(values).detach().cpu().double().numpy())


def time_labels(times: Array) -> list[str]:
    """Return times as text, accurate to a hundredth of their smallest distance.

    Example:
        >>> time_labels(np.array([0.0, 0.25, 1.0])), time_labels(np.array([1e9, 1e9 + 1]))
        (['0.00', '0.25', '1.00'], ['1.000000000e+09', '1.000000001e+09'])
    """
    apart = np.diff(np.unique(times))
    near = 0.01 * float(apart.min(initial=np.inf) if len(apart) else np.abs(times).max(initial=0.0))
    forms = [f".{digits}f" for digits in range(7)] if np.abs(times).max(initial=0.0) < _LONG else []
    for form in (*forms, *(f".{digits}e" for digits in range(17))):
        labels = [format(time, form) for time in times.tolist()]
        if np.abs(np.array(labels, np.float64) - times).max(initial=0.0) <= near:
            break
    return labels
