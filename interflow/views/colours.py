"""Colourings of particles, each on one scale for all frames of a figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Final, final

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.special import gamma

from interflow.errors import ArgumentError
from interflow.views.picture import NAMES, SEQUENTIAL_CMAP, TIME_CMAP, Array, Clouds, to_numpy

_NEIGHBOURS: Final = 16  # whose mass and distance make a local density
_SMALLEST: Final = 1e-3  # radius of such a neighbourhood, as a part of the longest side of what is drawn
_PROBES: Final = 12  # frames that the limits of a scale are taken from
_QUANTILES: Final = (0.005, 0.995)  # the ends of a scale; what lies beyond has the colour of the end
_ONE: Final = 1e-6  # a part of the numbers, in which those of float32 that are meant to be one may differ
_EXTENDS: Final = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}
_ROOM: Final = 0.5  # of the scale between these ends, that it may go on to the lowest or highest number
_DECADES: Final = 100.0  # from this ratio of its ends on, a scale is logarithmic


class Colouring(ABC):
    """A number for each particle in each frame.

    Attributes:
        label: what the number is.
        colours: from the lowest to the highest.
        many_decades: whether the scale may be logarithmic.
    """

    label: str
    colours: Colormap = SEQUENTIAL_CMAP
    many_decades: bool = False

    @abstractmethod
    def values(self, clouds: Clouds, frame: int) -> Array:
        """Return a number for each dot of a frame, ``(drawn,)``."""

    def span(self, clouds: Clouds, frames: Iterable[int]) -> Array:
        """Return the lowest number, both ends of the scale, and the highest number."""
        values = np.concatenate([self.values(clouds, frame) for frame in frames])
        values = values[np.isfinite(values)]
        low, high = _QUANTILES
        return np.quantile(values, [0.0, low, high, 1.0]) if len(values) else np.array([0.0, 0.0, 1.0, 1.0])


@final
class ByTime(Colouring):
    """Blue at the start of the run, red at its end."""

    label = "time t"
    colours = TIME_CMAP

    def values(self, clouds: Clouds, frame: int) -> Array:
        return np.full(clouds.drawn, clouds.times[frame])

    def span(self, clouds: Clouds, frames: Iterable[int]) -> Array:
        return clouds.times[[0, 0, -1, -1]]


@final
class ByDensity(Colouring):
    """Local density: the mass of the nearest 16 particles over the volume of the ball that holds them."""

    label = "local density, mass per unit of volume"
    many_decades = True

    def values(self, clouds: Clouds, frame: int) -> Array:
        points, weights = clouds.dots(frame), clouds.weights[clouds.sample]
        lower, upper = clouds.limits
        side = float((upper - lower).max())
        count = min(_NEIGHBOURS, len(points))
        if not count or not np.isfinite(points).all():
            return np.full(len(points), np.nan)
        periodic = clouds.solution.extent.periodic.numpy()[: clouds.axes]
        lengths = np.where(periodic, upper - lower, 0.0)
        places = np.where(periodic, np.mod(points - lower, np.where(periodic, lengths, 1.0)), points)
        distances, neighbours = cKDTree(places, boxsize=lengths).query(places, k=[*range(1, count + 1)])
        radii = np.maximum(distances[:, -1], _SMALLEST * side)
        ball = np.pi ** (clouds.axes / 2) / gamma(clouds.axes / 2 + 1) * radii**clouds.axes
        return np.asarray(weights[neighbours].sum(1) * (clouds.count / clouds.drawn) / ball)


@final
class BySpeed(Colouring):
    """Speed |v|; without velocities, the distance between frames over the time between them."""

    label = "speed |v|"
    many_decades = True

    def values(self, clouds: Clouds, frame: int) -> Array:
        velocities, positions = clouds.solution.velocities, clouds.solution.positions
        if velocities is not None:
            return np.asarray(np.linalg.norm(to_numpy(velocities[frame])[clouds.sample], axis=1))
        after = min(max(frame, 1), len(clouds) - 1)
        before = max(after - 1, 0)
        way = clouds.solution.extent.shortest(positions[after].detach().cpu(), positions[before].detach().cpu())
        time = clouds.times[after] - clouds.times[before]
        return np.asarray(np.linalg.norm(to_numpy(way)[clouds.sample], axis=1) / (time or 1.0))


@final
class ByStart(Colouring):
    """Initial position along the first axis."""

    label = f"{NAMES[0]} at the start"

    def values(self, clouds: Clouds, frame: int) -> Array:
        return np.asarray(clouds.dots(0)[:, 0])


@final
class ByWeight(Colouring):
    """Weight of a particle."""

    label = "weight"

    def values(self, clouds: Clouds, frame: int) -> Array:
        return np.asarray(clouds.weights[clouds.sample])


@final
class ByArray(Colouring):
    """Colouring by the user's numbers.

    Args:
        values: ``(N,)``, or ``(frames, N)``.
        label: what they are.
    """

    def __init__(self, values: ArrayLike, label: str = "") -> None:
        self._values = np.asarray(values, dtype=np.float64)
        self.label = label

    def values(self, clouds: Clouds, frame: int) -> Array:
        if self._values.shape not in ((clouds.count,), (len(clouds), clouds.count)):
            wanted = f"({clouds.count},), a number a particle, or ({len(clouds)}, {clouds.count})"
            raise ArgumentError("colour", came=f"shape {self._values.shape}", wanted=wanted)
        return np.asarray((self._values if self._values.ndim == 1 else self._values[frame])[clouds.sample])


COLOURINGS: Final[dict[str, Callable[[], Colouring]]] = {
    "time": ByTime,
    "density": ByDensity,
    "speed": BySpeed,
    "start": ByStart,
    "weight": ByWeight,
}

Colour = str | Colouring | ArrayLike
"""A name, a `Colouring` or an array of numbers."""


@final
class ColourScale:
    """The colour scale of a run's particles.

    Args:
        colour: what they show.
        clouds: the run.

    Raises:
        ArgumentError: for an unknown name, or numbers that are not one a particle.
    """

    def __init__(self, colour: Colour, clouds: Clouds) -> None:
        self._colouring, self._clouds = _colouring(colour), clouds
        lowest, low, high, highest = self._colouring.span(clouds, clouds.spread(_PROBES)).tolist()
        room = _ROOM * (high - low)
        low, high = lowest if low - lowest <= room else low, highest if highest - high <= room else high
        many = self._colouring.many_decades and high > _DECADES * low > 0.0
        colours: Any = self._colouring.colours.copy()  # matplotlib's types know but one of the words below
        colours.colorbar_extend = _EXTENDS[lowest < low, high < highest]
        one = high - low <= _ONE * max(abs(low), abs(high))
        around = (abs(low) or 1.0) / 2  # a single number, which has the colour in the middle
        ends = (low - around, low + around) if one else (low, high)
        self._mappable = ScalarMappable((LogNorm if many else Normalize)(*ends), colours)
        if one:
            self._mappable.set_array([low])

    def colours(self, frame: int) -> Array:
        """Return red, green, blue and opacity of each dot, ``(drawn, 4)``."""
        return np.asarray(self._mappable.to_rgba(self._colouring.values(self._clouds, frame)))

    @property
    def legend(self) -> tuple[ScalarMappable, str] | None:
        """Mappable and name of the colour bar; None for time, which is written on every cloud."""
        return None if isinstance(self._colouring, ByTime) else (self._mappable, self._colouring.label)


def _colouring(colour: Colour) -> Colouring:
    if isinstance(colour, Colouring):
        return colour
    if not isinstance(colour, str):
        return ByArray(colour)
    if colour not in COLOURINGS:
        wanted = f"one of {', '.join(COLOURINGS)}, or an array of numbers"
        raise ArgumentError("colour", came=repr(colour), wanted=wanted)
    return COLOURINGS[colour]()
