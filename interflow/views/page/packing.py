"""Clouds in few bytes: cells of a grid, differences in time, byte planes, zlib.

1. A position becomes a cell of 2^b on each axis, ``⌊2^b (x − lower) / (upper − lower)⌋``, and is drawn at the centre of
   the cell: it is off by at most half a cell.
2. Particles are put in the order of a Morton curve (G. M. Morton, 1966) through the first frame, along which that frame
   is stored as differences.
3. A later frame is stored as its difference from a prediction: the frame before, or the straight motion ``2 c' − c''``
   through the two before, whichever compresses smaller. Differences are modulo 2^b, so that a particle that crosses a
   periodic seam makes a small one.
4. Differences are folded to natural numbers (0, −1, 1, −2, … become 0, 1, 2, 3, …), and their low and high bytes
   compressed apart, axis by axis.

A budget of bytes is met by fewer bits first, then by fewer frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

Cloud = NDArray[np.float64]
Cells = NDArray[np.uint16]

BITS: Final = {1: (16, 12), 2: (14, 11), 3: (12, 10)}
"""Bits an axis by the number of axes: those wanted, and those that positions have at least."""
ALONG, BEFORE, MOTION = range(3)
"""Predictors of a frame: its own particles along the curve, the previous frame, the two previous frames."""
LEVEL: Final = 4
"""Level of compression: within 2 % of the best in a fifth of its time."""
SAMPLE: Final = 8192
"""Particles on which sizes are estimated."""


@final
@dataclass(frozen=True)
class Grid:
    """The cells of a box: ``2^bits`` on every axis.

    Args:
        lower: corner of the box, ``(d,)``.
        upper: the opposite corner, ``(d,)``; an axis without extent has all points in its first cell.
        bits: up to 16.
    """

    lower: Cloud
    upper: Cloud
    bits: int

    @property
    def sides(self) -> Cloud:
        """Size of a cell, ``(d,)``."""
        return np.asarray((self.upper - self.lower) / 2**self.bits)

    def cells(self, cloud: Cloud) -> Cells:
        """Return the cells of points, ``(N, d)``."""
        sides = np.where(self.sides > 0.0, self.sides, 1.0)
        return np.clip((cloud - self.lower) / sides, 0, 2**self.bits - 1).astype(np.uint16)

    def centres(self, cells: Cells) -> Cloud:
        """Return the centres of cells, ``(N, d)``."""
        return self.lower + (cells + 0.5) * self.sides


@final
@dataclass(frozen=True)
class Packed:
    """Frames in few bytes.

    Attributes:
        grid: what their positions are rounded to.
        order: ``(N,)``: the particle at each place of the stored order.
        kept: the frames that are stored, among those that were given.
        predictions: `ALONG`, `BEFORE` or `MOTION` for each.
        blobs: the compressed bytes of each.
    """

    grid: Grid
    order: NDArray[np.intp]
    kept: NDArray[np.intp]
    predictions: tuple[int, ...]
    blobs: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Size of all frames together [bytes]."""
        return sum(map(len, self.blobs))


class BudgetError(ValueError):
    """Even the first frame alone, with the fewest bits, exceeds the budget; the message is its size."""


def pack(read: Callable[[int], Cloud], frames: int, lower: Cloud, upper: Cloud, budget: float) -> Packed:
    """The frames of a run in at most ``budget`` bytes.

    Args:
        read: gives the frame of an index, ``(N, d)`` with d ≤ 3; called more than once.
        frames: how many there are.
        lower: corner of a box around all positions, ``(d,)``.
        upper: the opposite corner.
        budget: bytes for all frames.

    Raises:
        BudgetError: if the budget is too small for one frame.

    Example:
        >>> clouds = np.random.default_rng(0).random((3, 100, 2))
        >>> packed = pack(clouds.__getitem__, 3, np.zeros(2), np.ones(2), budget=2000)
        >>> packed.grid.bits, packed.size <= 2000
        (14, True)
    """
    bits, least = BITS[len(lower)]
    finest = Grid(lower, upper, bits)
    first = finest.cells(read(0))
    order = morton_order(first, bits)
    chosen = order[:: max(1, len(order) // SAMPLE)]
    sample = [finest.cells(read(frame)[chosen]) for frame in range(frames)]

    @cache
    def size_of_first(bits: int) -> int:
        return _size(encode([_coarser(first[order], finest.bits - bits)], bits))

    def estimate(bits: int, kept: NDArray[np.intp]) -> float:
        blobs = list(encode([_coarser(sample[frame], finest.bits - bits) for frame in kept], bits))
        return size_of_first(bits) + _size(blobs[1:]) * len(order) / max(len(chosen), 1)

    kept = np.arange(frames)
    while True:
        size = estimate(bits, kept)
        if size <= budget:
            grid = Grid(lower, upper, bits)
            packed = _packed(
                grid, order, kept, encode((grid.cells(read(frame))[order] for frame in kept.tolist()), bits)
            )
            if packed.size <= budget:
                return packed
        if bits > least:
            bits -= 1
        elif len(kept) > 1:
            kept = _spread(frames, int(len(kept) * min(0.95, budget / size)))
        else:
            raise BudgetError(size_of_first(bits))


def unpack(packed: Packed) -> Iterator[Cloud]:
    """Unpack the frames, each ``(N, d)`` in the particles' own order; positions are the centres of cells."""
    shape = (len(packed.order), len(packed.grid.lower))
    back = np.argsort(packed.order)
    for cells in decode(zip(packed.predictions, packed.blobs, strict=True), shape, packed.grid.bits):
        yield packed.grid.centres(cells[back])


def encode(frames: Sequence[Cells] | Iterator[Cells], bits: int) -> Iterator[tuple[int, bytes]]:
    """Encode frames of cells, ``(N, d)`` along the curve, each as its predictor and its bytes."""
    before: list[Cells] = []
    for cells in frames:
        blobs = {name: _deflate(cells - guess, bits) for name, guess in _predictions(cells, before).items()}
        yield min(blobs.items(), key=lambda named: len(named[1]))
        before = [*before[-1:], cells]


def decode(frames: Any, shape: tuple[int, int], bits: int) -> Iterator[Cells]:
    """Decode frames; the inverse of `encode`."""
    before: list[Cells] = []
    for prediction, blob in frames:
        difference = _inflate(blob, shape)
        if prediction == ALONG:
            cells = np.cumsum(difference, axis=0, dtype=np.uint16)
        else:
            cells = difference + _predictions(difference, before)[prediction]
        cells &= np.uint16(2**bits - 1)
        yield cells
        before = [*before[-1:], cells]


def morton_order(cells: Cells, bits: int) -> NDArray[np.intp]:
    """Return the order of points along the Z-order curve, by the interleaved bits of their cells."""
    axes = cells.shape[1]
    code = np.zeros(len(cells), np.uint64)
    for bit in range(bits):
        for axis in range(axes):
            code |= (cells[:, axis].astype(np.uint64) >> np.uint64(bit) & np.uint64(1)) << np.uint64(bit * axes + axis)
    return np.argsort(code, kind="stable")


def _predictions(cells: Cells, before: list[Cells]) -> dict[int, Cells]:
    match before:
        case []:
            return {ALONG: np.concatenate([np.zeros_like(cells[:1]), cells[:-1]])}
        case [last]:
            return {BEFORE: last}
        case [earlier, last]:
            return {BEFORE: last, MOTION: 2 * last - earlier}
    raise AssertionError("at most two frames are remembered")


def _deflate(difference: Cells, bits: int) -> bytes:
    """Compress differences modulo 2^bits, folded, as planes of bytes."""
    spare = 16 - bits
    signed = (difference << spare).view(np.int16) >> spare  # the sign of a number of `bits` bits
    folded = (signed << 1 ^ signed >> 15).astype("<u2")
    planes = folded.view(np.uint8).reshape(*folded.shape, 2).transpose(1, 2, 0)
    return zlib.compress(planes.tobytes(), LEVEL)


def _inflate(blob: bytes, shape: tuple[int, int]) -> Cells:
    count, axes = shape
    planes = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(axes, 2, count)
    folded = np.ascontiguousarray(planes.transpose(2, 0, 1)).view("<u2")[..., 0].astype(np.uint16)
    one = np.uint16(1)
    return np.asarray(folded >> one ^ -(folded & one), np.uint16)


def _coarser(cells: Cells, bits: int) -> Cells:
    """Return the cells of a grid with fewer bits."""
    return np.asarray(cells >> np.uint16(bits), np.uint16)


def _packed(grid: Grid, order: NDArray[np.intp], kept: NDArray[np.intp], frames: Iterator[tuple[int, bytes]]) -> Packed:
    predictions, blobs = zip(*frames, strict=True)
    return Packed(grid, order, kept, predictions, blobs)


def _size(frames: Iterator[tuple[int, bytes]] | list[tuple[int, bytes]]) -> int:
    return sum(len(blob) for _, blob in frames)


def _spread(frames: int, count: int) -> NDArray[np.intp]:
    """Return evenly spread frames, the first and the last among them if there are two."""
    return np.unique(np.linspace(0, frames - 1, max(count, 1)).round().astype(np.intp))
