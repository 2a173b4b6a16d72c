"""A generator of handwritten digits in Lightning: the energy distance as the loss of a ``LightningModule``.

A network maps noise to images of 8 × 8 pixels; each step compares a batch of them with a batch of scikit-learn's
digits. The energy distance has no bandwidth to choose; its unbiased estimate is right on average over batches. It is
judged on digits that it has not seen. ``python examples/lightning_generator.py`` needs the extra ``lightning``.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Sequence

import lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import interflow as fl

NOISE = 16


class Generator(lightning.LightningModule):
    """From noise to the 64 pixels of an image, each in [0, 1]."""

    def __init__(self, hidden: int, rate: float) -> None:
        super().__init__()
        inner = [nn.Linear(NOISE, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        self.network = nn.Sequential(*inner, nn.Linear(hidden, 64), nn.Sigmoid())
        self.loss = fl.EnergyDistance(estimator="unbiased")
        self.rate = rate

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.network(noise)
        return images

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.distance(batch[0])

    def test_step(self, batch: list[Tensor], index: int) -> None:
        self.log("distance", self.distance(batch[0]))

    def distance(self, digits: Tensor) -> Tensor:
        """The loss between digits and as many images of the network."""
        value: Tensor = self.loss(self(torch.randn(len(digits), NOISE, device=self.device)), digits)
        return value

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.rate)


def digits() -> tuple[Tensor, Tensor]:
    """The images in a random order, four fifths and one fifth of them."""
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16.0
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    return images[:1438], images[1438:]


def trainer(epochs: int) -> lightning.Trainer:
    """On the CPU, without files and bars."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers")  # the images are in memory
    warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)  # of torch, about Lightning
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return lightning.Trainer(max_epochs=epochs, accelerator="cpu", enable_model_summary=False, **quiet)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--epochs", type=int, default=300, help="passes over the digits")
    parser.add_argument("--batch", type=int, default=256, help="images compared in a step")
    parser.add_argument("--hidden", type=int, default=256, help="units of each hidden layer")
    given = parser.parse_args(arguments)

    seen, unseen = digits()
    with torch.random.fork_rng():
        lightning.seed_everything(0, verbose=False)
        module, coach = Generator(given.hidden, rate=2e-3), trainer(given.epochs)
        batches = DataLoader(TensorDataset(seen), given.batch, shuffle=True, drop_last=True)
        check = DataLoader(TensorDataset(unseen), len(unseen))
        before = coach.test(module, check, verbose=False)[0]["distance"]
        coach.fit(module, batches)
        after = coach.test(module, check, verbose=False)[0]["distance"]
    floor = module.loss(seen[: len(unseen)], unseen).item()
    print(f"energy distance to unseen digits: {before:.2e} before, {after:.2e} after; of seen ones: {floor:.2e}")


if __name__ == "__main__":
    main()
