"""The scene of a page: colours, and the library that draws it."""

from __future__ import annotations

import importlib.util
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from interflow.errors import ArgumentError, MissingPackageError
from interflow.solution import Solution
from interflow.views.page.drawing import Box, Drawing, box_around, counted, facts, headline
from interflow.views.page.packing import BITS, BudgetError, Grid, Packed, encode, pack
from interflow.views.picture import TIME_CMAP

PACKAGE, BUNDLE = "k3d", "static/standalone.js"
CREDIT = "Drawn with three.js (MIT) from the bundle of K3D-jupyter (MIT); the licences are in the source of this page."


@cache
def bundle() -> bytes:
    """Return the script that defines three.js, compressed by zlib.

    Raises:
        MissingPackageError: if k3d is not installed, or has no such script.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingPackageError(PACKAGE, extra="page", needed_for="The browser page")
    file = Path(found.origin).parent / BUNDLE
    try:
        return zlib.compress(file.read_bytes(), 9)
    except OSError:
        raise MissingPackageError(f"{PACKAGE}'s {BUNDLE}", extra="page", needed_for="The browser page") from None


def licences() -> str:
    """Return the licence texts of the bundle and of its contents."""
    bundle()
    notices = Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/{BUNDLE}.LICENSE.txt"))).read_text(
        encoding="utf-8"
    )
    files = distribution(PACKAGE).files or []
    texts = [file.read_text(encoding="utf-8") for file in files if file.name.upper().startswith("LICENSE")]
    return "\n\n".join([f"{PACKAGE} {distribution(PACKAGE).version}", *texts, notices])


Colours = NDArray[np.float64]


def palettes(axes: int) -> dict[str, str]:
    """Return palettes by colouring: time, speed, density, and initial position on so many axes.

    Example:
        >>> palettes(2)["time"][:6], palettes(2)["time"][-6:]
        ('0000ff', 'ff0000')
    """
    ramp = np.linspace(0.0, 1.0, 256)
    return {
        "time": _text(np.asarray(TIME_CMAP(ramp))[:, :3]),
        "speed": _text(colormaps["viridis"](0.93 * ramp)[:, :3]),
        "density": _text(colormaps["plasma"](0.92 * ramp)[:, :3]),
        "initial": _text((_line, _square, _cube)[axes - 1]()),
    }


def _line() -> Colours:
    return np.asarray(colormaps["turbo"](np.linspace(0.04, 0.96, 256))[:, :3])


def _square() -> Colours:
    """Palette of 16 × 16 colours, the first axis slower: four corners, mixed in between."""
    corners = np.array([[[0.12, 0.30, 0.85], [0.05, 0.72, 0.62]], [[0.75, 0.12, 0.55], [0.98, 0.70, 0.12]]])
    x, y = np.meshgrid(*[np.linspace(0.0, 1.0, 16)] * 2, indexing="ij")
    shares = np.stack([np.stack([(1 - x) * (1 - y), (1 - x) * y]), np.stack([x * (1 - y), x * y])])
    return np.asarray(np.einsum("abxy,abc->xyc", shares, corners)).reshape(256, 3)


def _cube() -> Colours:
    """Palette of 6 × 6 × 6 colours, an axis each of red, green and blue; the last 40 are not used."""
    parts = np.linspace(0.1, 0.95, 6)
    cube = np.stack(np.meshgrid(parts, 0.85 * parts, parts, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([cube, np.zeros((256 - len(cube), 3))])


def _text(colours: Colours) -> str:
    return (255.0 * colours).round().astype(np.uint8).tobytes().hex()


FOR_SPEEDS: Final = 0.25
"""Fraction of a budget for speeds."""
LEVELS: Final = (6, 5, 4, 3)
"""Bits of a speed, from which the budget selects."""


@final
@dataclass(frozen=True)
class Scene:
    """The contents of a page.

    Args:
        about: what JSON can hold: the names, the box, the times, and how the bytes are to be read.
        frames: the packed positions of each frame.
        column: the packed speeds of each frame; empty for a motion without velocities.
    """

    about: Mapping[str, Any]
    frames: Sequence[bytes]
    column: Sequence[bytes]


def scene(
    solution: Solution, budget: float, *, title: str = "", summary: Mapping[str, Any] | None = None, config: str = ""
) -> Scene:
    """Return the scene of a run, with frames in a budget of bytes.

    Args:
        solution: the run.
        budget: bytes for all frames.
        title: what to call it.
        summary: how it went, as ``interflow run`` writes it.
        config: the config of the run, as text.

    Raises:
        ArgumentError: if the budget is too small for one frame, or a position is not finite.
    """
    drawing = Drawing(solution)
    box = box_around(drawing.extent, *drawing.span(range(len(solution))))
    moving = drawing.speeds(0) is not None
    try:
        packed = pack(drawing.positions, len(solution), *box, budget * (1.0 - FOR_SPEEDS * moving))
    except BudgetError as error:
        least = math.ceil(int(str(error)) / (1.0 - FOR_SPEEDS * moving) / 1e6 * 4 / 3) + 2
        came = "room for less than a single frame"
        raise ArgumentError("megabytes", came=came, wanted=f"at least {least}, for this run") from None
    described, column = _speeds(drawing, packed, budget * FOR_SPEEDS) if moving else (None, ())
    about = {
        **described_run(solution, drawing, box, packed.grid.bits, packed.kept, title=title),
        "predictions": packed.predictions,
        "column": described,
        "notes": [*drawing.notes, *_lowered(packed, len(solution))],
        "facts": facts(solution, summary or {}, drawing, box),
        "config": config,
    }
    return Scene(about, packed.blobs, column)


def described_run(
    solution: Solution,
    drawing: Drawing,
    box: Box,
    bits: int,
    kept: NDArray[np.intp],
    *,
    title: str,
) -> dict[str, Any]:
    """Return the description of a run, finished or not."""
    times, steps = solution.times.tolist(), solution.steps.tolist()
    energies = [float(energy) if math.isfinite(energy) else None for energy in solution.energies.tolist()]
    return {
        "title": title or "interflow",
        "headline": headline(drawing),
        "axes": drawing.axes,
        "count": drawing.count,
        "bits": bits,
        "lower": box[0].tolist(),
        "upper": box[1].tolist(),
        "periodic": drawing.extent.periodic.tolist(),
        "times": [times[frame] for frame in kept],
        "steps": [steps[frame] for frame in kept],
        "curve": {"times": times, "energies": energies},
        "palettes": palettes(drawing.axes),
        "credit": CREDIT,
    }


def _speeds(drawing: Drawing, packed: Packed, budget: float) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Pack the speeds of the kept frames in as many levels as fit; return their description and bytes."""
    frames = packed.kept.tolist()
    clouds = [np.asarray(drawing.speeds(frame))[packed.order] for frame in frames]
    high = max((float(cloud.max(initial=0.0)) for cloud in clouds), default=0.0) or 1.0
    for bits in LEVELS:
        grid = Grid(np.zeros(1), np.full(1, high), bits)
        predictions, blobs = zip(*encode((grid.cells(cloud) for cloud in clouds), bits), strict=True)
        if sum(map(len, blobs)) <= budget:
            break
    described = {"name": "speed |v|", "low": 0.0, "high": high, "bits": bits, "predictions": predictions}
    return described, blobs


def _lowered(packed: Packed, frames: int) -> list[str]:
    """Return sentences on what was reduced to keep the page small."""
    axes, bits = len(packed.grid.lower), packed.grid.bits
    rounded = f"positions are rounded to 1/{counted(2**bits)} of the box"
    lowered = [f"{rounded} ({bits} bits, not {BITS[axes][0]})"] if bits < BITS[axes][0] else []
    if len(packed.kept) < frames:
        lowered.append(f"{len(packed.kept)} of {counted(frames)} frames are kept")
    return [f"To keep the page small, {' and '.join(lowered)}." if lowered else f"{rounded.capitalize()}."]
