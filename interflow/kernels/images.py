"""How the sum of a kernel over all images on a torus, ``Σₙ k(δ + nL)``, is written as a formula."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.kernels.lattice import total

if TYPE_CHECKING:
    from interflow.kernels.base import Kernel

KernelT = TypeVar("KernelT", bound="Kernel", contravariant=True)

PRECISION: Final = {torch.float64: 1e-16, torch.float32: 1e-9}
"""What a sum over images may leave out, relative to the kernel: less than rounding adds to a sum of many pairs."""

MOST_IMAGES: Final = 1000
"""Images that a formula may have."""


class ImageSum(ABC, Generic[KernelT]):
    """A way to write the sum over images: a frozen dataclass, whose fields are the structure of the formula.

    They follow from the values of parameters: the formula is as precise as was asked while these stay near.
    """

    @abstractmethod
    def evaluate(self, kernel: KernelT, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        """``Σₙ k(δ + nL)`` of the components of δ and the periods L of the axes; an infinite one has no images."""

    def others(self, kernel: KernelT, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        """The same without ``n = 0``: of the images of a point at itself, which may be all that is finite."""
        return self.evaluate(kernel, displacement, periods) - kernel.evaluate(displacement)


@dataclass(frozen=True)
class LatticeSum(ImageSum["Kernel"]):
    """The sum as it stands, over the images with ``|nₐ|`` up to a number of shells on each axis."""

    shells: tuple[int, ...]

    def evaluate(self, kernel: Kernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        axes = zip(displacement, periods, self.shells, strict=True)
        images = [[_shifted(part, n, period) for n in range(-shells, shells + 1)] for part, period, shells in axes]
        return total([kernel.evaluate(image) for image in product(*images)])

    def others(self, kernel: Kernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        shifts = [n for n in product(*(range(-shells, shells + 1) for shells in self.shells)) if any(n)]
        if not shifts:
            return torch.zeros_like(displacement[0])
        axes = zip(displacement, periods, zip(*shifts, strict=True), strict=True)
        images = [part[..., None] + (part.new_tensor(n) * period if any(n) else 0.0) for part, period, n in axes]
        return kernel.evaluate(tuple(images)).sum(-1)


@dataclass(frozen=True)
class TermwiseSum(ImageSum[Any]):
    """Of a sum of kernels: each term in its own way."""

    parts: tuple[ImageSum[Any], ...]

    def evaluate(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        pairs = zip(self.parts, kernel.terms, strict=True)
        return total([part.evaluate(term, displacement, periods) for part, term in pairs])

    def others(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        pairs = zip(self.parts, kernel.terms, strict=True)
        return total([part.others(term, displacement, periods) for part, term in pairs])


@dataclass(frozen=True)
class ScaledSum(ImageSum[Any]):
    """Of a multiple of a kernel."""

    part: ImageSum[Any]

    def evaluate(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        scaled: Tensor = kernel.scale * self.part.evaluate(kernel.kernel, displacement, periods)
        return scaled

    def others(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        scaled: Tensor = kernel.scale * self.part.others(kernel.kernel, displacement, periods)
        return scaled


def lattice_sum(kernel: Kernel, lengths: tuple[float, ...], precision: float) -> LatticeSum:
    """The lattice sum with as few shells as a precision allows.

    What it leaves out is, by the kernel's `image_tail`, at most ``precision · sup |k|``, and of the gradient at most
    ``precision · sup |∇k|``.

    Raises:
        ArgumentError: for a sum that does not converge, is not known to, or has too many images.
    """
    dimension, shortest = len(lengths), min(lengths)
    allowed = [precision * (kernel.supremum(order, dimension) or 0.0) for order in (0, 1)]
    for count in range(MOST_IMAGES):
        shells = tuple(_within((count + 0.5) * shortest, length) for length in lengths)
        if math.prod(2 * number + 1 for number in shells) > MOST_IMAGES:
            break
        if all(kernel.image_tail(lengths, count, order) <= allowed[order] for order in (0, 1)):
            return LatticeSum(shells)
    raise _refusal(kernel, lengths)


def _within(distance: float, length: float) -> int:
    """The shells of an axis without which every image is at least so far away."""
    return max(math.ceil(distance / length - 0.5 - 1e-9), 0) if math.isfinite(length) else 0


def _shifted(component: Tensor, n: int, period: Tensor) -> Tensor:
    return component + float(n) * period if n else component


def _refusal(kernel: Kernel, lengths: tuple[float, ...]) -> ArgumentError:
    name = type(kernel).__name__
    if math.isinf(kernel.image_tail(lengths, MOST_IMAGES, 0)):
        return ArgumentError(
            "boundary",
            came=f'images="all" with {name}',
            wanted="a kernel whose sum over all images converges, by the bound that its `image_tail` gives",
            remedy='Take BandlimitedEnergyKernel in the place of a distance, or images="nearest".',
        )
    return ArgumentError(
        "boundary",
        came=f'images="all" with {name}, which reaches over more than {MOST_IMAGES} images',
        wanted="a kernel that is not much wider than the domain",
        remedy="Take a GaussianKernel, whose sum is short for every width, or a narrower kernel.",
    )
