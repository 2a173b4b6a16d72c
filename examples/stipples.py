"""A photograph in stipples: ``python examples/stipples.py --points 5000``. The photograph is scikit-learn's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import load_sample_image

import interflow as fl
from interflow.storage.points import PointCloud, PointReadOptions, read_points, write_points


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", type=int, default=5_000, help="stipples")
    parser.add_argument("--steps", type=int, default=60, help="steps of the descent")
    parser.add_argument("--pixels", type=int, default=60_000, help="to which the photograph is reduced")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder to write to")
    options = parser.parse_args(arguments)

    photo = options.out / "flower.png"
    Image.fromarray(load_sample_image("flower.jpg")).save(photo)
    pixels = read_points(photo, PointReadOptions(ink="light", pixels=options.pixels))
    target = torch.as_tensor(pixels.positions, dtype=torch.float32)
    weights = torch.as_tensor(pixels.weights, dtype=torch.float32)

    fitted = fl.fit(options.points, target, target_weights=weights, steps=options.steps)
    print(f"loss {fitted.history[0].loss:.3g} → {fitted.history[-1].loss:.3g}; {fitted.stats['stopped']}")
    stipples = PointCloud(fitted.positions.numpy(), fitted.weights.numpy(), canvas=pixels.canvas)
    write_points(options.out / "stipples.png", stipples, PointReadOptions(ink="light"))
    print(f"drawn in {options.out / 'stipples.png'}")


if __name__ == "__main__":
    main()
