"""A generator of handwritten digits, matched by MMD to scikit-learn's 1 797 images of 8 × 8 pixels.

A network maps noise to images; the loss compares a batch of them with a batch of digits, by a mixture of Gaussian
kernels around the median distance (Li, Swersky and Zemel, 2015). It is judged on digits that it has not seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import interflow as fl

NOISE = 16


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--iterations", type=int, default=2000, help="steps of Adam")
    parser.add_argument("--batch", type=int, default=256, help="images compared in a step")
    parser.add_argument("--hidden", type=int, default=256, help="units of each hidden layer")
    given = parser.parse_args(arguments)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = generator_network(given.hidden)
    seen, unseen = digits(generator)
    loss = fl.MMD(mixture(fl.median_distance(seen)), estimator="unbiased")

    before = distance(network, unseen, loss)
    train(network, seen, loss, given.iterations, given.batch, generator)
    after, floor = distance(network, unseen, loss), loss(seen[: len(unseen)], unseen).item()
    print(f"MMD² to unseen digits: {before:.2e} before, {after:.2e} after; of as many seen ones: {floor:.2e}")


def generator_network(hidden: int) -> nn.Module:
    """From noise to the 64 pixels of an image, each in [0, 1]."""
    inner = [nn.Linear(NOISE, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*inner, nn.Linear(hidden, 64), nn.Sigmoid())


def digits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The images in a random order, four fifths and one fifth of them."""
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16.0
    images = images[torch.randperm(len(images), generator=generator)]
    return images[:1438], images[1438:]


def mixture(median: float) -> fl.Kernel:
    """Gaussian kernels of half, once and twice the median distance."""
    return fl.GaussianKernel(0.5 * median) + fl.GaussianKernel(median) + fl.GaussianKernel(2.0 * median)


def train(
    network: nn.Module, images: Tensor, loss: fl.MMD, iterations: int, batch: int, generator: torch.Generator
) -> None:
    """Adam on batches of images and of noise."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(iterations):
        chosen = images[torch.randint(len(images), (batch,), generator=generator)]
        optimizer.zero_grad()
        loss(network(torch.randn(batch, NOISE, generator=generator)), chosen).backward()
        optimizer.step()


@torch.no_grad()
def distance(network: nn.Module, images: Tensor, loss: fl.MMD) -> float:
    """The MMD² between digits and as many images of the network."""
    noise = torch.randn(len(images), NOISE, generator=torch.Generator().manual_seed(1))
    return loss(network(noise), images).item()


if __name__ == "__main__":
    main()
