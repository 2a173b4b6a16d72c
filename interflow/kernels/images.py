"""Sums of a kernel over all images of a point on a torus, and bounds of what they leave out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from interflow.errors import ArgumentError

_ENOUGH = 1e-3
"""Part of a sum under which what is left of it is bounded by a geometric series."""


def value(parameter: Tensor) -> float:
    """A hyperparameter as a number."""
    return float(parameter.detach().item())


def first_beyond(frequency: float, spacing: float) -> float:
    """The least multiple of the spacing above a frequency; one that is equal up to rounding is not above."""
    return (math.floor(frequency / spacing * (1.0 + 1e-12)) + 1) * spacing


def union(outer: Sequence[float], whole: Sequence[float]) -> float:
    """``Σₐ outerₐ Π_{b≠a} whole_b``: bounds what a product of sums has outside a box, by what each axis has."""
    return sum(
        part * math.prod(whole[:axis]) * math.prod(whole[axis + 1 :]) for axis, part in enumerate(outer) if part > 0.0
    )


def shell_sum(decay: Callable[[float], float], lengths: Sequence[float], shells: int) -> float:
    """A bound of ``Σ decay(|δ + nL|)`` over the images n beyond a number of shells, for every nearest image δ.

    In the shell j = ``|n|_∞`` lie ``(2j + 1)ᵈ − (2j − 1)ᵈ`` images, at ``(j − ½)L`` or more for the shortest L. Of the
    2d on the axes, half are at jL or more; the others are half a period off on a second axis as well.

    Args:
        decay: decreasing and log-concave; then the terms fall at least geometrically from any one on.
        lengths: the periods; infinite ones have no images.
        shells: the number of shells that are left out, 0 for the nearest image alone.
    """
    periods = [length for length in lengths if math.isfinite(length)]
    if not periods:
        return 0.0
    axes, shortest = len(periods), min(periods)

    def shell(j: int) -> float:
        others = (2.0 * j + 1.0) ** axes - (2.0 * j - 1.0) ** axes - 2.0 * axes
        on_axes = decay((j - 0.5) * shortest) + decay(j * shortest)
        return axes * on_axes + others * decay(math.hypot(j - 0.5, 0.5) * shortest)

    result, j, term, following = 0.0, shells + 1, shell(shells + 1), shell(shells + 2)
    while term > 0.0 and (following >= term or term > _ENOUGH * result):
        result, j, term, following = result + term, j + 1, following, shell(j + 2)
    return result + (term / (1.0 - following / term) if term > 0.0 else 0.0)


def total(terms: Sequence[Tensor]) -> Tensor:
    """The sum, by halves: formulas stay shallow and round-off small."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return total(terms[:half]) + total(terms[half:])


class ImageKernel(Protocol):
    """The methods of a kernel that its sum over images needs."""

    def evaluate(self, displacement: tuple[Tensor, ...]) -> Tensor:
        """k(δ) of the components of δ."""

    def supremum(self, order: int, dimension: int) -> float | None:
        """The largest value (order 0) or gradient (order 1)."""

    def image_tail(self, lengths: tuple[float, ...], shells: int, order: int) -> float:
        """A bound of what the images beyond some shells add up to."""


KernelT = TypeVar("KernelT", bound=ImageKernel, contravariant=True)

PRECISION: Final = {torch.float64: 1e-16, torch.float32: 1e-9}
"""What a sum over images may leave out, relative to the kernel: less than rounding adds to a sum of many pairs."""

MOST_IMAGES: Final = 1000
"""Images that a formula may have."""


class ImageSum(ABC, Generic[KernelT]):
    """A way to write the sum over images: a frozen dataclass, whose fields are the structure of the formula.

    They follow from the values of parameters: the formula is as precise as was asked while these stay near.
    """

    __slots__ = ()  # of an instance with a dictionary, compilers could not call methods where it is a constant

    @abstractmethod
    def evaluate(self, kernel: KernelT, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        """``Σₙ k(δ + nL)`` of the components of δ and the periods L of the axes; an infinite one has no images."""

    def others(self, kernel: KernelT, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        """The same without ``n = 0``: of the images of a point at itself, which may be all that is finite."""
        return self.evaluate(kernel, displacement, periods) - kernel.evaluate(displacement)


@dataclass(frozen=True, slots=True)
class LatticeSum(ImageSum[ImageKernel]):
    """The sum as it stands, over the images with ``|nₐ|`` up to a number of shells on each axis."""

    shells: tuple[int, ...]

    def evaluate(self, kernel: ImageKernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        axes = zip(displacement, periods, self.shells, strict=True)
        images = [[_shifted(part, n, period) for n in range(-shells, shells + 1)] for part, period, shells in axes]
        return total([kernel.evaluate(image) for image in product(*images)])

    def others(self, kernel: ImageKernel, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        shifts = [n for n in product(*(range(-shells, shells + 1) for shells in self.shells)) if any(n)]
        if not shifts:
            return torch.zeros_like(displacement[0])
        axes = zip(displacement, periods, zip(*shifts, strict=True), strict=True)
        images = [part[..., None] + (part.new_tensor(n) * period if any(n) else 0.0) for part, period, n in axes]
        return kernel.evaluate(tuple(images)).sum(-1)


@dataclass(frozen=True, slots=True)
class TermwiseSum(ImageSum[Any]):
    """Of a sum of kernels: each term in its own way."""

    parts: tuple[ImageSum[Any], ...]

    def evaluate(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        pairs = zip(self.parts, kernel.terms, strict=True)
        return total([part.evaluate(term, displacement, periods) for part, term in pairs])

    def others(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        pairs = zip(self.parts, kernel.terms, strict=True)
        return total([part.others(term, displacement, periods) for part, term in pairs])


@dataclass(frozen=True, slots=True)
class ScaledSum(ImageSum[Any]):
    """Of a multiple of a kernel."""

    part: ImageSum[Any]

    def evaluate(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        scaled: Tensor = kernel.scale * self.part.evaluate(kernel.kernel, displacement, periods)
        return scaled

    def others(self, kernel: Any, displacement: tuple[Tensor, ...], periods: tuple[Tensor, ...]) -> Tensor:
        scaled: Tensor = kernel.scale * self.part.others(kernel.kernel, displacement, periods)
        return scaled


def lattice_sum(
    kernel: ImageKernel, lengths: tuple[float, ...], precision: float, scales: Sequence[float] | None = None
) -> LatticeSum:
    """The lattice sum with as few shells as a precision allows.

    What it leaves out is, by the kernel's `image_tail`, at most ``precision · sup |k|``, and of the gradient at most
    ``precision · sup |∇k|``; a kernel without a largest value brings two scales in the place of these.

    Raises:
        ArgumentError: for a sum that does not converge, is not known to, or has too many images.
    """
    dimension, shortest = len(lengths), min(lengths)
    scales = scales or [kernel.supremum(order, dimension) or 0.0 for order in (0, 1)]
    allowed = [precision * scale for scale in scales]
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


def _refusal(kernel: ImageKernel, lengths: tuple[float, ...]) -> ArgumentError:
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
