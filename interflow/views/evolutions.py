"""A run in one picture: the cloud at a few times, coloured by time from blue to red, and its energy below."""

from __future__ import annotations

from matplotlib.figure import SubFigure
from matplotlib.gridspec import SubplotSpec

from interflow.solution import Solution
from interflow.views.clouds import NAMES, Clouds
from interflow.views.colours import Colour, Scale
from interflow.views.energy import draw_energy
from interflow.views.panels import DOTS, Panel, dot_size, opacity
from interflow.views.picture import Picture, add_legend, joined, quiet
from interflow.views.storyboard import CURVE, WIDTH, storyboard


def evolution(solution: Solution, *, colour: Colour = "time", title: str = "") -> Picture:
    """The frames of a run as dots, at most 20 000 of a cloud; of more than three axes the first three.

    A cloud on a line is drawn in the plane of time and position, each particle a path of dots.

    Args:
        solution: the run.
        colour: what the colour of a dot shows: ``"time"``, the local ``"density"``, the ``"speed"``, the position at
            the ``"start"``, the ``"weight"``, or numbers of one's own, ``(N,)`` or ``(frames, N)``.
        title: first line of the picture.

    Raises:
        ArgumentError: for a colour that is none of these.

    Example:
        >>> import torch
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> repulsion = InteractionEnergy(GaussianKernel(sigma=1.0))
        >>> system = ParticleSystem(torch.rand(5, 2), energy=repulsion, integrator=Euler(step_size=0.1))
        >>> picture = evolution(system.simulate(steps=3, save_every=1))
        >>> len(picture.axes)  # four clouds and the energy
        5
    """
    clouds = Clouds(solution)
    scale = Scale(colour, clouds)
    title = joined(title, clouds.note())
    if clouds.axes == 1:
        return _paths(clouds, scale, title)

    def panel(parent: SubFigure, place: SubplotSpec, area: float) -> Panel:
        return DOTS[clouds.axes](parent, place, clouds, scale, area)

    return storyboard(clouds, panel, scale.legend, title)


def _paths(clouds: Clouds, scale: Scale, title: str) -> Picture:
    """Positions on a line over time, and the energy over the same time."""
    height = 3.8
    picture = Picture(WIDTH, height + CURVE + 0.3, title)
    top, bottom = picture.subplots(2, 1, sharex=True, height_ratios=(height, CURVE))
    size, alpha = dot_size(clouds.drawn, (WIDTH - 1.0) * height / max(len(clouds), 10)), opacity(clouds.drawn)
    for frame in range(len(clouds)):
        points, colours = clouds.dots(frame)[:, 0], scale.colours(frame)
        times = [clouds.times[frame]] * len(points)
        top.scatter(times, points, s=size, alpha=alpha, color=colours, linewidths=0, rasterized=True)
    (low,), (high,) = clouds.limits
    top.set(ylim=(low, high), ylabel=f"position {NAMES[0]}")
    quiet(top, open=False)
    if scale.legend is not None:
        add_legend(picture, [top, bottom], scale.legend)
    draw_energy(bottom, clouds, range(len(clouds)))
    return picture
