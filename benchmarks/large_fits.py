"""How long do large fits take? A photograph in stipples, a million samples in the plane, and a surface in space."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import interflow as fl
from benchmarks.fitting import mixture
from benchmarks.measure import peak_memory
from benchmarks.tables import Table, count, megabytes, number
from interflow.discrepancies import sliced_energy_distance
from interflow.storage.points import PointCloud, PointReadOptions, read_points
from interflow.storage.points.image import draw

SIZES = (20_000,)
BLUR = 4.0
DIRECTIONS = 32
HEADERS = ("fit", "seconds", "peak MB", "figure", "value", "of an independent sample", "ratio")


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """One row for each fit; the numbers of points are the photograph's."""
    note = (
        f"Photographs of 640 × 427 are compared after a Gaussian blur of {BLUR:g} pixels, by their mean absolute "
        f"difference; clouds in the plane by the energy distance over {2 * DIRECTIONS} directions, which is not what "
        "was descended; surfaces by the variation of the distances to nearest neighbours. The last columns are that "
        "figure of the fit, of as many independent samples, and their ratio."
    )
    return Table("Large fits", note, HEADERS, _rows(sizes))


def _rows(sizes: Sequence[int]) -> Iterator[list[str]]:
    for size in sizes:
        yield _photograph(size)
        yield _plane(5 * size)
        yield _surface(5 * size // 2)


def _photograph(points: int) -> list[str]:
    from PIL import Image
    from sklearn.datasets import load_sample_image

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "china.png"
        Image.fromarray(load_sample_image("china.jpg")).save(file)
        cloud = read_points(file)
    target = torch.as_tensor(cloud.positions, dtype=torch.float32)
    weights = torch.as_tensor(cloud.weights, dtype=torch.float32)
    seconds, peak, fitted = _timed(lambda: fl.fit(points, target, target_weights=weights).positions)
    chosen = torch.multinomial(weights, points, replacement=True, generator=torch.Generator().manual_seed(0))
    differences = [blurred_difference(dots, cloud) for dots in (fitted, target[chosen])]
    return _row(f"photograph, {count(points)} stipples", seconds, peak, "difference after a blur", *differences)


def blurred_difference(dots: Tensor, photograph: PointCloud) -> float:
    """Mean absolute difference of the ink of dots and of a photograph, both blurred; ink is between 0 and 1."""
    from scipy.ndimage import gaussian_filter

    assert photograph.canvas is not None
    share = np.full(len(dots), photograph.mass / len(dots))
    drawn = draw(
        Path("dots.png"), PointCloud(dots.double().numpy(), share, canvas=photograph.canvas), PointReadOptions()
    )
    ink = 1.0 - np.asarray(drawn, np.float64) / 255.0
    wanted = np.zeros_like(ink)
    columns, rows = np.floor(photograph.positions).astype(int).T
    wanted[rows, columns] = photograph.weights
    return float(np.abs(gaussian_filter(ink, BLUR) - gaussian_filter(wanted, BLUR)).mean())


def _plane(points: int) -> list[str]:
    generator = torch.Generator().manual_seed(0)
    target, sample = mixture(10 * points, generator), mixture(points, generator)
    seconds, peak, fitted = _timed(lambda: fl.fit(points, target).positions)
    energies = [
        sliced_energy_distance(cloud, target, directions=DIRECTIONS, replicates=2) for cloud in (fitted, sample)
    ]
    name = f"plane, {count(points)} points to {count(10 * points)}"
    return _row(name, seconds, peak, "energy distance", *(energy.value for energy in energies))


def _surface(points: int) -> list[str]:
    """A torus of radii 1 and 0.4 as triangles in a PLY file; distances to it are known."""
    import trimesh

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "torus.ply"
        trimesh.creation.torus(1.0, 0.4, major_sections=500, minor_sections=200).export(file)
        read = read_points(file, PointReadOptions(samples=4 * points))
    target = torch.as_tensor(read.positions, dtype=torch.float32)
    sample = _on_torus(points, torch.Generator().manual_seed(1))
    seconds, peak, fitted = _timed(lambda: fl.fit(points, target, init="box", steps=160).positions)
    rings = (fitted[:, :2].norm(dim=1) - 1.0).square() + fitted[:, 2].square()
    off = float((rings.sqrt() - 0.4).abs().mean()) / math.sqrt(2 * 2.8**2 + 0.8**2)
    spreads = [_spread(cloud) for cloud in (fitted, sample)]
    name = f"surface, {count(points)} points from the box, {100 * off:.2g} % of the diagonal off it"
    return _row(name, seconds, peak, "variation of nearest distances", *spreads)


def _on_torus(points: int, generator: torch.Generator) -> Tensor:
    """Independent samples: the area at the angle φ of the tube is in proportion to ``1 + 0.4 cos φ``."""
    turn, tube, level = (2.0 * math.pi * torch.rand(3, 2 * points, generator=generator)).unbind()
    tube = tube[level / math.pi * 0.7 < 1.0 + 0.4 * tube.cos()][:points]
    ring = 1.0 + 0.4 * tube.cos()
    turn = turn[: len(tube)]
    return torch.stack([ring * turn.cos(), ring * turn.sin(), 0.4 * tube.sin()], dim=1)


def _spread(cloud: Tensor) -> float:
    """Coefficient of variation of the distances to nearest neighbours."""
    from scipy.spatial import KDTree

    nearest = KDTree(cloud.double().numpy()).query(cloud.double().numpy(), k=2)[0][:, 1]
    return float(nearest.std() / nearest.mean())


def _timed(call: object) -> tuple[float, int | None, Tensor]:
    assert callable(call)
    results: list[Tensor] = []
    start = time.perf_counter()
    peak = peak_memory(lambda: results.append(call()), torch.device("cpu"))
    return time.perf_counter() - start, peak, results[0]


def _row(name: str, seconds: float, peak: int | None, figure: str, fitted: float, sample: float) -> list[str]:
    return [name, number(seconds), megabytes(peak), figure, number(fitted), number(sample), number(fitted / sample)]
