"""Good files of every format, and damaged ones made of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from interflow.storage.points import PointCloud, write_points

POINT_FORMATS = ("npy", "npz", "csv", "tsv", "xyz", "ply", "obj", "las", "laz")
SURFACES = {
    "ascii.ply": (
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        "property uchar red\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
        "0 0 0 0\n1 0 0 100\n1 1 0 200\n0 1 0 100\n3 0 1 2\n3 0 2 3\n"
    ),
    "square.obj": "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3\nf 1 3 4\n",
    "square.stl": (
        "solid square\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 1 1 0\nendloop\nendfacet\n"
        "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 1 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid square\n"
    ),
    "molecule.xyz": "3\nwater\nO 0 0 0.1\nH 0 0.8 -0.5\nH 0 -0.8 -0.5\n",
}


def cloud(count: int = 20, dimension: int = 3, seed: int = 0) -> PointCloud:
    """Random points with a column of numbers."""
    generator = np.random.default_rng(seed)
    return PointCloud(generator.normal(size=(count, dimension)), columns={"red": np.arange(count, dtype=np.uint8)})


def good_files(folder: Path) -> list[Path]:
    """One file or more of each format."""
    for suffix in (*POINT_FORMATS, "stl"):
        write_points(folder / f"points.{suffix}", cloud())
    for name, text in SURFACES.items():
        (folder / name).write_text(text)
    shades = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    for name in ("photo.png", "photo.jpg"):
        Image.fromarray(shades).save(folder / name)
    return sorted(folder.iterdir())


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content of a file after an accident."""
    return draw.choice(_ACCIDENTS)(bytearray(content), draw)


def corpus(files: list[Path], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged files, with the suffix of each."""
    draw = random.Random(seed)
    for index in range(count):
        file = files[index % len(files)]
        yield file.suffix, damaged(file.read_bytes(), draw)


def _truncate(content: bytearray, draw: random.Random) -> bytes:
    return bytes(content[: draw.randrange(len(content))])


def _flip(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 8)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def _flip_header(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 4)):
        content[draw.randrange(min(len(content), 160))] = draw.randrange(256)
    return bytes(content)


def _remove(content: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    del content[start : start + draw.randint(1, 40)]
    return bytes(content)


def _repeat(content: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    content[start:start] = content[start : start + draw.randint(1, 40)]
    return bytes(content)


def _replace_number(content: bytearray, draw: random.Random) -> bytes:
    places = [index for index, byte in enumerate(content) if chr(byte).isdigit()] or [0]
    words = [b"nan", b"inf", b"-", b"9" * 12, b"1e400", b"", b"\xff\xfe", b"0x", b"99999999999999999999"]
    place = draw.choice(places)
    content[place : place + 1] = draw.choice(words)
    return bytes(content)


def _noise(content: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    content[start : start + 64] = draw.randbytes(64)
    return bytes(content)


def _swap_lines(content: bytearray, draw: random.Random) -> bytes:
    lines = bytes(content).split(b"\n")
    draw.shuffle(lines)
    return b"\n".join(lines)


_ACCIDENTS: list[Callable[[bytearray, random.Random], bytes]] = [
    _truncate,
    _flip,
    _flip_header,
    _remove,
    _repeat,
    _replace_number,
    _noise,
    _swap_lines,
]
