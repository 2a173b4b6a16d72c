"""The colours of a page: for each colouring 256 of them, as text of six hexadecimal digits each."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from interflow.views.picture import TIME

Colours = NDArray[np.float64]


def palettes(axes: int) -> dict[str, str]:
    """By the name of the colouring: time, speed, density, and initial position on so many axes.

    Example:
        >>> palettes(2)["time"][:6], palettes(2)["time"][-6:]
        ('0000ff', 'ff0000')
    """
    ramp = np.linspace(0.0, 1.0, 256)
    return {
        "time": _text(np.asarray(TIME(ramp))[:, :3]),
        "speed": _text(colormaps["viridis"](0.93 * ramp)[:, :3]),
        "density": _text(colormaps["plasma"](0.92 * ramp)[:, :3]),
        "initial": _text((_line, _square, _cube)[axes - 1]()),
    }


def _line() -> Colours:
    return np.asarray(colormaps["turbo"](np.linspace(0.04, 0.96, 256))[:, :3])


def _square() -> Colours:
    """16 × 16, the first axis slower: four colours at the corners, mixed in between."""
    corners = np.array([[[0.12, 0.30, 0.85], [0.05, 0.72, 0.62]], [[0.75, 0.12, 0.55], [0.98, 0.70, 0.12]]])
    x, y = np.meshgrid(*[np.linspace(0.0, 1.0, 16)] * 2, indexing="ij")
    shares = np.stack([np.stack([(1 - x) * (1 - y), (1 - x) * y]), np.stack([x * (1 - y), x * y])])
    return np.asarray(np.einsum("abxy,abc->xyc", shares, corners)).reshape(256, 3)


def _cube() -> Colours:
    """6 × 6 × 6: an axis each of red, green and blue; the last 40 colours are not used."""
    parts = np.linspace(0.1, 0.95, 6)
    cube = np.stack(np.meshgrid(parts, 0.85 * parts, parts, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([cube, np.zeros((256 - len(cube), 3))])


def _text(colours: Colours) -> str:
    return (255.0 * colours).round().astype(np.uint8).tobytes().hex()
