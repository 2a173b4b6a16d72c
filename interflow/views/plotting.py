"""The pictures of a run by their names, as ``solution.plot()`` and notebooks ask for them."""

from __future__ import annotations

from interflow.errors import ArgumentError
from interflow.solution import Solution
from interflow.views.colours import Colour
from interflow.views.densities import density
from interflow.views.energy import energy_curve
from interflow.views.evolutions import evolution
from interflow.views.picture import Picture

WITHOUT_DOTS = {"energy": energy_curve, "density": density}


def plot(solution: Solution, picture: str = "evolution", *, colour: Colour | None = None, title: str = "") -> Picture:
    """A picture of a run, which a notebook shows and ``savefig`` writes.

    Args:
        solution: the run, in memory or on disk.
        picture: ``"evolution"``, ``"energy"`` or ``"density"``.
        colour: what the colours of the dots of an evolution show; see there.
        title: first line.

    Raises:
        ArgumentError: for another picture, or a colour where there are no dots.
    """
    if picture == "evolution":
        return evolution(solution, colour="time" if colour is None else colour, title=title)
    if picture not in WITHOUT_DOTS:
        wanted = f"one of evolution, {', '.join(WITHOUT_DOTS)}"
        raise ArgumentError("picture", came=repr(picture), wanted=wanted)
    if colour is not None:
        raise ArgumentError("colour", came=repr(colour), wanted=f"None for {picture!r}, which has no dots")
    return WITHOUT_DOTS[picture](solution, title=title)
