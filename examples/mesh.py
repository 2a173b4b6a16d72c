"""Points spread evenly over a mesh: ``python examples/mesh.py --points 2000``. The mesh, an airplane, is PyVista's.

The points start anywhere in the box around the surface, and are drawn onto it and away from each other. How evenly they
lie is told by the variation of the distances to nearest neighbours, beside that of random points of the surface.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pyvista import examples
from scipy.spatial import KDTree

import interflow as fl
from interflow.storage.points import PointCloud, PointReadOptions, read_points, write_points


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", type=int, default=2_000, help="points of the result")
    parser.add_argument("--steps", type=int, default=100, help="steps of the descent")
    parser.add_argument("--samples", type=int, default=40_000, help="points that stand for the surface")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder to write to")
    options = parser.parse_args(arguments)

    surface = read_points(examples.planefile, PointReadOptions(samples=options.samples)).positions
    target = torch.as_tensor(surface, dtype=torch.float32)
    fitted = fl.fit(options.points, target, init="box", steps=options.steps)
    print(f"loss {fitted.history[0].loss:.3g} → {fitted.history[-1].loss:.3g}; {fitted.stats['stopped']}")

    points = fitted.positions.double().numpy()
    diagonal = float(np.linalg.norm(np.ptp(surface, axis=0)))
    off = float(KDTree(surface).query(points)[0].mean())
    print(f"mean distance to the nearest sample of the surface: {100 * off / diagonal:.2g} % of the diagonal")
    random = surface[np.random.default_rng(0).choice(len(surface), len(points), replace=False)]
    print(f"variation of nearest distances: {spread(points):.3g}, of random points {spread(random):.3g}")
    write_points(options.out / "airplane_points.ply", PointCloud(points))
    print(f"written to {options.out / 'airplane_points.ply'}")


def spread(points: np.ndarray) -> float:
    """Coefficient of variation of the distances to nearest neighbours."""
    nearest = KDTree(points).query(points, k=2)[0][:, 1]
    return float(nearest.std() / nearest.mean())


if __name__ == "__main__":
    main()
