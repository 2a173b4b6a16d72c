"""The energy of a run over time, and what else was observed at its frames."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from interflow.solution import ENERGY, Solution
from interflow.views.clouds import Array, Clouds, array
from interflow.views.picture import GREY, SCALE, TIME, Picture, joined, plain, quiet

_CURVES: Final = 200  # columns of a scalar that are drawn; of more, evenly spread ones
_NAMED: Final = 7  # of these, that the legend names
_NAME: Final = 96  # letters of a name, four lines
_LETTERS: Final = 24  # of a name, in a line at the height of a panel


def energy_curve(solution: Solution, *, title: str = "") -> Picture:
    """The energy of every frame over time, and below it the other scalars of the run, a panel each.

    Args:
        solution: the run.
        title: first line.

    Example:
        >>> import torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> len(energy_curve(system.simulate(steps=3)).axes)
        1
    """
    clouds = Clouds(solution)
    others = {name: array(values) for name, values in solution.scalars.items() if name != ENERGY}
    picture = Picture(9.0, 3.2 + 1.9 * len(others), joined(title, clouds.note(dots=False)))
    ratios = (1.5, *[1.0] * len(others))
    first, *rest = picture.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    draw_energy(first, clouds, range(len(clouds)))
    for panel, (name, values) in zip(rest, others.items(), strict=True):
        _draw_scalar(panel, clouds.times, values, name)
    for panel in (first, *rest[:-1]) if rest else ():
        panel.set_xlabel("")
    return picture


def draw_energy(panel: Axes, clouds: Clouds, frames: Iterable[int]) -> None:
    """The curve through all frames, with a dot in the colour of its time for some of them."""
    times, energies, frames = clouds.times, clouds.energies, list(frames)
    panel.plot(times, energies, color="0.6", linewidth=1.2, zorder=1)
    span = (times[-1] - times[0]) or 1.0
    colours = TIME((times[frames] - times[0]) / span)
    panel.scatter(times[frames], energies[frames], s=28 if len(frames) < 40 else 8, color=colours, zorder=2)
    panel.set(xlabel="time t", ylabel="energy E")
    _furnish(panel)


def _draw_scalar(panel: Axes, times: Array, values: Array, name: str) -> None:
    """A curve a column; where there are several, a legend has their numbers and how many are left out."""
    columns = values.reshape(len(values), math.prod(values.shape[1:])).T
    count = len(columns)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _CURVES)).astype(int)).tolist()
    tints = [GREY] if values.ndim == 1 else [SCALE(shade) for shade in np.linspace(0.25, 1.0, max(len(chosen), 1))]
    curves = [
        panel.plot(times, columns[column], linewidth=1.2, color=tint)[0]
        for column, tint in zip(chosen, tints, strict=False)
    ]
    panel.set_xlabel("time t")
    words = textwrap.wrap(plain(name.replace("_", " "), _NAME), _LETTERS)
    panel.set_ylabel("\n".join(words), parse_math=False)
    _furnish(panel)
    if values.ndim > 1:
        named = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), _NAMED)).astype(int)).tolist()
        handles, numbers = [curves[place] for place in named], [str(chosen[place]) for place in named]
        title = f"{count:,} column{'' if count == 1 else 's'}" + f",\n{len(chosen)} drawn" * (len(chosen) < count)
        style = {"fontsize": 7, "title_fontsize": 7, "frameon": False, "labelspacing": 0.25}
        panel.legend(handles, numbers, title=title, loc="upper left", bbox_to_anchor=(1.0, 1.08), **style)


def _furnish(panel: Axes) -> None:
    panel.margins(x=0.02, y=0.12)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    quiet(panel)
