"""What all pictures share: a figure that notebooks show, text as it came, quiet axes, and the colours of time."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final, final

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties, findfont, get_font

GREY: Final = "0.35"
PALE: Final = "0.75"
TIME: Final[Colormap] = LinearSegmentedColormap.from_list("time", [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])
"""Blue at the start of a run (0), red at its end (1)."""
SCALE: Final = LinearSegmentedColormap.from_list(
    "scale", ["#fde0a6", "#f6a35c", "#dd5a5f", "#a5307a", "#5a1d75", "#1a1042"]
)
"""From pale to dark on a white ground."""
DPI: Final = 150
_CSS_PIXELS: Final = 96  # an inch on a page
_MOST_PIXELS: Final = 60_000  # along a side, of the 2¹⁶ that matplotlib draws
_LETTERS: Final = 11  # of a title, that fit into an inch
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"

Legend = tuple[ScalarMappable, str]
"""What a colour bar shows, and its name."""


@final
class Picture(Figure):
    """A matplotlib figure that a notebook shows at its size, whether or not pyplot is in use.

    Args:
        width: in inches.
        height: in inches.
        title: the first line.
    """

    def __init__(self, width: float, height: float, title: str = "") -> None:
        dpi = min(DPI, int(_MOST_PIXELS / max(width, height)))
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


def joined(*parts: str) -> str:
    """The parts of a title that are not empty."""
    return "  ·  ".join(filter(None, parts))


def quiet(panel: Axes, *, open: bool = True) -> None:
    """Grey ticks and pale edges, so that what is drawn stands out; an open panel has no edge above and at its right."""
    panel.tick_params(which="both", labelsize=8, colors=GREY)
    panel.spines[:].set_color(PALE)
    if open:
        panel.spines[["top", "right"]].set_visible(False)


def add_legend(parent: FigureBase, panels: Sequence[Axes], legend: Legend) -> None:
    """A colour bar at the right of some panels; it has the number of a mappable that has one, and no others."""
    mappable, name = legend
    bar = parent.colorbar(mappable, ax=list(panels), aspect=30, pad=0.015)
    bar.set_label(plain(name, 50), parse_math=False)
    if (only := mappable.get_array()) is not None:
        bar.set_ticks(only.tolist(), labels=[f"{value:.7g}" for value in only])
    bar.ax.tick_params(which="both", labelsize=8, colors=GREY)
    bar.outline.set_visible(False)
