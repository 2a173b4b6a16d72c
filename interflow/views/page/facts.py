"""What is told of a run in words: its headline, and a list of facts under its energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from interflow.solution import ENERGY, Solution
from interflow.views.page.box import Box, in_words
from interflow.views.page.drawing import Drawing


def headline(drawing: Drawing) -> str:
    """How many particles, in how many dimensions."""
    dimensions = f"{drawing.dimension} dimension{'s' if drawing.dimension > 1 else ''}"
    return f"{counted(drawing.particles)} particle{'' if drawing.particles == 1 else 's'} in {dimensions}"


def facts(solution: Solution, summary: Mapping[str, Any], drawing: Drawing, box: Box) -> list[tuple[str, str]]:
    """Pairs of a name and what is said under it.

    Args:
        solution: the run.
        summary: how it went, as ``interflow run`` writes it; what it lacks is left out.
        drawing: what is drawn of it.
        box: its corners.
    """
    return list(_facts(solution, {**solution.stats, **summary}, drawing, box))


def counted(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}".replace(",", " ")


def _facts(solution: Solution, told: Mapping[str, Any], drawing: Drawing, box: Box) -> Iterator[tuple[str, str]]:
    times, steps = solution.times.tolist(), solution.steps.tolist()
    dtype, device = str(solution.positions.dtype).removeprefix("torch."), told.get("device")
    yield "particles", f"{headline(drawing)}, {dtype}{f' on {device}' if device else ''}"
    speed = (
        f" in {told['seconds']:.3g} s, {told['steps_per_second']:.3g} a second" if "steps_per_second" in told else ""
    )
    yield "steps", f"{counted(steps[0])} to {counted(steps[-1])}{speed}"
    yield "time", f"{times[0]:.6g} to {times[-1]:.6g}, {counted(len(times))} frame{'' if len(times) == 1 else 's'}"
    yield "box", in_words(drawing.extent, *box)
    yield "energy", _change(solution.energies)
    for name, values in solution.scalars.items():
        if name != ENERGY and values.ndim == 1:
            yield name, _change(values)
    for number, sums in enumerate(told.get("sums", ())):
        yield "" if number else "sums", f"{sums['term']} on the backend {sums['backend']}: {sums['why']}"
    if versions := told.get("versions"):
        yield "versions", ", ".join(f"{package} {version}" for package, version in versions.items())


def _change(values: Tensor) -> str:
    return f"{float(values[0]):.6g} → {float(values[-1]):.6g}".replace("-", "−")
