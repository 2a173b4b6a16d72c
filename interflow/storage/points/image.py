"""Images: pixels as a weighted measure, read by Pillow; points as dots of their mass, in pixels or as SVG."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, TYPE_CHECKING, final

import numpy as np

from interflow.errors import PointFileError, needed_package
from interflow.storage.points.format import (
    COLOURS,
    EXTRA,
    Array,
    PointCloud,
    PointFormat,
    PointReadOptions,
    parser_errors_as_point_file_errors,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 200_000_000
"""Size of an image [pixels]."""
_AT_ONCE = 4096  # dots drawn together


@final
class ImageFormat(PointFormat):
    """A pixel with any mass is a point at its centre: x to the right and y **down**, in pixels of the file.

    Its weight is the mass that `PointReadOptions` gives it, times its opacity and the area of the pixel; ``red``,
    ``green`` and ``blue`` are columns. Where nothing opaque has mass, such as white on transparent ground, all that is
    opaque has it. Points are drawn as discs whose area in pixels is their weight, black on white for dark ink and white
    on black for light ink.
    """

    suffixes = (".png", ".jpg", ".jpeg")

    def load(self, file: Path, options: PointReadOptions) -> PointCloud:
        with parser_errors_as_point_file_errors(file, "an image"):
            colours, opacity, canvas = _pixels(file, options.pixels)
        height, width, _ = colours.shape
        mass = opacity * _mass(colours @ np.array([0.299, 0.587, 0.114]), options)
        weights = mass if mass.any() or opacity.all() else opacity
        size = np.array([canvas[0] / width, canvas[1] / height])
        rows, columns = np.nonzero(weights > 0)
        if len(rows) == 0:
            came, remedy = f"an image without {options.ink} pixels", "Take the other ink."
            raise PointFileError(file, came=came, wanted="pixels with mass", remedy=remedy)
        shades = np.rint(255 * colours[rows, columns]).astype(np.uint8)
        return PointCloud(
            (np.stack([columns, rows], axis=1) + 0.5) * size,
            weights[rows, columns] * size.prod(),
            dict(zip(COLOURS, shades.T, strict=True)),
            canvas,
        )

    def check(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        canvas_of(cloud)

    def save(self, file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
        picture = draw(file, cloud, options)
        picture.save(file, quality=95) if file.suffix.lower() != ".png" else picture.save(file)


def draw(file: Path, cloud: PointCloud, options: PointReadOptions) -> Image:
    """Draw the points as smoothed dots on the cloud's canvas."""
    with needed_package("pillow", extra=EXTRA, needed_for=str(file)):
        from PIL import Image
    width, height = canvas_of(cloud)
    inked = np.zeros((height, width))
    discs = radii(cloud)
    for start in range(0, len(cloud), _AT_ONCE):
        chosen = slice(start, start + _AT_ONCE)
        _ink(inked, cloud.positions[chosen], discs[chosen])
    shades = 1.0 - inked if options.ink == "dark" else inked
    return Image.fromarray(np.rint(255 * shades).astype(np.uint8))


def canvas_of(cloud: PointCloud) -> tuple[int, int]:
    """Return width and height of the canvas of a cloud in the plane [pixels]."""
    if cloud.dimension != 2:
        raise PointFileError("image", came=f"{cloud.dimension} coordinates a point", wanted="2, in pixels")
    if cloud.canvas is not None:
        return cloud.canvas
    width, height = np.ceil(cloud.positions.max(0)).clip(min=1).astype(int).tolist()
    return width, height


def radii(cloud: PointCloud) -> Array:
    """Return the radii of discs whose areas are the weights."""
    weights = np.full(len(cloud), 1.0 / max(len(cloud), 1)) if cloud.weights is None else cloud.weights
    discs: Array = np.sqrt(weights / math.pi)
    return discs


def _ink(inked: Array, centres: Array, discs: Array) -> None:
    """Cover pixels by discs: a pixel by the part of its width that is inside, scaled so that a disc keeps its area."""
    height, width = inked.shape
    reach = math.ceil(float(discs.max(initial=0.0))) + 1
    steps = np.arange(-reach, reach + 1)
    rows = np.floor(centres[:, 1]).astype(int)[:, None, None] + steps[:, None]
    columns = np.floor(centres[:, 0]).astype(int)[:, None, None] + steps
    distances = np.hypot(rows + 0.5 - centres[:, 1, None, None], columns + 0.5 - centres[:, 0, None, None])
    covered = np.clip(discs[:, None, None] + 0.5 - distances, 0.0, 1.0)
    areas = math.pi * discs**2 / covered.sum((1, 2)).clip(min=1e-9)
    covered = np.clip(covered * areas[:, None, None], 0.0, 1.0)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (covered > 0)
    rows, columns = (np.broadcast_to(index, covered.shape)[inside] for index in (rows, columns))
    np.maximum.at(inked, (rows, columns), covered[inside])


def _mass(brightness: Array, options: PointReadOptions) -> Array:
    light = np.clip(brightness, 0.0, 1.0) ** options.gamma
    mass: Array = light if options.ink == "light" else 1.0 - light
    return np.where(mass > 1e-6, mass, 0.0)


def _pixels(file: Path, most: int) -> tuple[Array, Array, tuple[int, int]]:
    """``(height, width, 3)`` of brightness and ``(height, width)`` of opacity, from 0 to 1, and the size in the file.

    An image of more pixels than ``most`` is reduced; what is transparent lends it no colour.
    """
    with needed_package("pillow", extra=EXTRA, needed_for=str(file)):
        from PIL import Image, ImageOps
    with open(file, "rb") as stream:
        opened = _opened(file, stream)
        if opened.width * opened.height > MAX_PIXELS:
            came = f"{opened.width} × {opened.height} pixels"
            raise PointFileError(file, came=came, wanted=f"at most {MAX_PIXELS} of them")
        clear = opened.info.get("transparency")
        picture = ImageOps.exif_transpose(opened)
    shrunk = math.sqrt(min(1.0, most / (picture.width * picture.height)))
    size = max(1, int(picture.width * shrunk)), max(1, int(picture.height * shrunk))
    if picture.mode.startswith("I"):  # 16 bits of grey
        deep = np.asarray(picture, np.float32)
        solid = np.float32(deep != (-1 if clear is None else clear))
        mean, opacity = (
            np.asarray(Image.fromarray(layer).resize(size, Image.Resampling.BOX), np.float64)
            for layer in (deep * solid / np.float32(65535), solid)
        )
        shades = mean / np.where(opacity > 0, opacity, 1.0)
        return np.repeat(shades[:, :, None], 3, axis=2), opacity, picture.size
    layers = picture.convert("RGBA" if picture.has_transparency_data else "RGB").resize(size, Image.Resampling.BOX)
    values = np.asarray(layers, np.float64) / 255.0
    opacity = values[:, :, 3] if values.shape[2] > 3 else np.ones(values.shape[:2])
    return values[:, :, :3], opacity, picture.size


def _opened(file: Path, stream: IO[bytes]) -> ImageFile:
    """Open an image whose content is PNG or JPEG. Pillow would open others too, some by running programs.

    Its classes are called by themselves, since `Image.open` has a limit of its own for all of the process.
    """
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    start = stream.read(8)
    stream.seek(0)
    if start == b"\x89PNG\r\n\x1a\n":
        return PngImageFile(stream)
    if start.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(stream)
    raise PointFileError(file, came="a file that is neither PNG nor JPEG", wanted="an image", remedy="Convert it.")


def write_svg(file: Path, cloud: PointCloud, options: PointReadOptions) -> None:
    """Write points in the plane as circles whose areas are their weights, in pixels of the canvas, y down."""
    width, height = canvas_of(cloud)
    paper, ink = ("white", "black") if options.ink == "dark" else ("black", "white")
    circles = (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.3f}"/>'
        for (x, y), radius in zip(cloud.positions.tolist(), radii(cloud).tolist(), strict=True)
    )
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n')
        stream.write(f'<rect width="{width}" height="{height}" fill="{paper}"/>\n<g fill="{ink}">\n')
        stream.writelines(f"{circle}\n" for circle in circles)
        stream.write("</g>\n</svg>\n")
