"""Typical digits: a few points that represent scikit-learn's 1 797 images of 8 × 8 pixels, in 64 dimensions.

The energy distance alone puts them where they stand for all images; each is then told by the image nearest to it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits

import interflow as fl


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", type=int, default=100, help="representatives")
    parser.add_argument("--steps", type=int, default=60, help="steps of the descent")
    options = parser.parse_args(arguments)

    digits = load_digits()
    images = torch.as_tensor(digits.data, dtype=torch.float32)
    fitted = fl.fit(options.points, images, steps=options.steps)
    print(f"loss {fitted.history[0].loss:.3g} → {fitted.history[-1].loss:.3g}; {fitted.stats['stopped']}")
    labels = digits.target[torch.cdist(fitted.positions, images).argmin(1).numpy()]
    print("representatives of each digit:", dict(sorted(Counter(labels.tolist()).items())))


if __name__ == "__main__":
    main()
