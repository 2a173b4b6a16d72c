"""Places in a figure that show a frame of a run, one after another: dots on a line, in the plane or in space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from interflow.views.clouds import NAMES, Array, Clouds
from interflow.views.colours import Scale
from interflow.views.picture import PALE, quiet

_COVER: Final = 0.55  # what the dots of a panel cover together, as a part of it
_STEPS: Final = (1, 2, 5, 10)  # between numbers at an axis, so that the ends of a unit box are among them
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0


class Panel(ABC):
    """One cloud on axes whose limits do not change.

    Args:
        axes: where it is drawn.
        clouds: the run.
    """

    def __init__(self, axes: Axes, clouds: Clouds) -> None:
        self.axes = axes
        self.clouds = clouds

    @abstractmethod
    def show(self, frame: int) -> None:
        """Draw a frame in place of the one that was there."""


@final
class LineDots(Panel):
    """Points on a line, which is drawn as a strip, so that points at one place stay apart."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: Scale, area: float) -> None:
        super().__init__(parent.add_subplot(place), clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, area)
        self._heights = np.mod(_GOLDEN * np.arange(clouds.drawn), 1.0)
        self._drawn: Any = None
        (left,), (right,) = clouds.limits
        self.axes.set(xlim=(left, right), ylim=(-0.05, 1.05), yticks=(), xlabel=f"position {NAMES[0]}")
        quiet(self.axes, open=False)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        points, alpha = self.clouds.dots(frame)[:, 0], opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        self._drawn = self.axes.scatter(
            points, self._heights, s=self._size, alpha=alpha, color=colours, linewidths=0, rasterized=True
        )


@final
class PlaneDots(Panel):
    """Points in the plane."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: Scale, area: float) -> None:
        super().__init__(parent.add_subplot(place), clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, area)
        self._drawn: Any = None
        furnish_plane(self.axes, clouds)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        points, alpha = self.clouds.dots(frame), opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        self._drawn = self.axes.scatter(
            points[:, 0], points[:, 1], s=self._size, alpha=alpha, color=colours, linewidths=0, rasterized=True
        )


@final
class SpaceDots(Panel):
    """Points in space; those behind are paler."""

    def __init__(self, parent: FigureBase, place: SubplotSpec, clouds: Clouds, scale: Scale, area: float) -> None:
        axes: Any = parent.add_subplot(place, projection="3d")
        super().__init__(axes, clouds)
        self._scale, self._size = scale, dot_size(clouds.drawn, 0.5 * area)
        self._drawn: Any = None
        lower, upper = clouds.limits
        axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), zlim=(lower[2], upper[2]))
        axes.set_box_aspect(_visible(upper - lower), zoom=0.88)  # room for the name of the upright axis
        axes.view_init(elev=22.0, azim=-58.0)
        for axis, name in zip((axes.xaxis, axes.yaxis, axes.zaxis), NAMES, strict=True):
            axis.set_major_locator(MaxNLocator(4, steps=_STEPS))
            axis.set_pane_color((0.97, 0.97, 0.97))
            axis.set_label_text(name, fontsize=9)
            axis.line.set_color(PALE)
            axis.labelpad = -6
        axes.tick_params(labelsize=7, colors="0.35", pad=-2)
        axes.grid(visible=False)

    def show(self, frame: int) -> None:
        if self._drawn is not None:
            self._drawn.remove()
        axes: Any = self.axes
        points, alpha = self.clouds.dots(frame), opacity(self.clouds.drawn)
        colours = self._scale.colours(frame)
        colours[:, 3] = alpha
        self._drawn = axes.scatter(*points.T, s=self._size, c=colours, linewidths=0, rasterized=True)


DOTS: Final[dict[int, Callable[[FigureBase, SubplotSpec, Clouds, Scale, float], Panel]]] = {
    1: LineDots,
    2: PlaneDots,
    3: SpaceDots,
}
"""By the number of axes that are drawn."""


def furnish_plane(axes: Axes, clouds: Clouds) -> None:
    """Equal units on the two axes of a plane, the limits and the names."""
    lower, upper = (corner[:2] for corner in clouds.limits)
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
    axes.set_xlabel(NAMES[0], fontsize=9, labelpad=1)
    axes.set_ylabel(NAMES[1], fontsize=9, labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    quiet(axes, open=False)


def dot_size(count: int, area: float) -> float:
    """Of one of many dots in a panel of an area in square inches, in square points."""
    return float(np.clip(_COVER * area * 72.0**2 / max(count, 1), 0.4, 30.0))


def opacity(count: int) -> float:
    """With which many points stay a cloud and few stay visible."""
    return 0.85 if count < 3000 else 0.6


def _visible(sides: Array) -> Array:
    """Sides of a box in proportion, none so short that it disappears."""
    return np.asarray(np.maximum(sides, 0.1 * sides.max()))
