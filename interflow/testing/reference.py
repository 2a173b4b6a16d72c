"""Pair sums in float64 from the matrix of all pairs and autograd: what backends are held to, and none of their code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest
import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import BackendError
from interflow.kernels import Kernel
from interflow.sums import SelfPairs

DTYPES: Final = [torch.float32, torch.float64]


def cloud(count: int, dimension: int, seed: int, scale: float = 1.0) -> Tensor:
    """Points of a cube of side ``scale``, float64."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.rand(count, dimension, dtype=torch.float64, generator=generator)


def scattered(count: int, dimension: int, seed: int, scale: float = 10.0) -> Tensor:
    """Points around the origin, float64, most of them outside of a unit cube."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, dimension, dtype=torch.float64, generator=generator)


def signed_weights(count: int, seed: int) -> Tensor:
    """Weights of both signs, float64."""
    return scattered(count, 1, seed, scale=1.0)[:, 0]


@contextmanager
def skipped_if_unable() -> Iterator[None]:
    """Skip a test, with the reason, where the backend that it names cannot run."""
    try:
        yield
    except BackendError as error:
        pytest.skip(str(error))


TOLERANCE: Final = {torch.float32: 1e-6, torch.float64: 1e-12}
"""The relative error that exact sums promise."""


@dataclass(frozen=True)
class Sums:
    """The potential and the field of a cloud.

    Attributes:
        potential: ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)``, ``(N,)``.
        field: ``∇ₓ uᵢ``, ``(N, d)``.
        largest: the largest size of a kernel value, and of a kernel's gradient, on the pairs.
    """

    potential: Tensor
    field: Tensor
    largest: tuple[float, float]


def sums(
    kernel: Kernel, boundary: Boundary, x: Tensor, y: Tensor, weights: Tensor, *, self_pairs: SelfPairs = True
) -> Sums:
    """Potential and field, differentiable to any order where the kernel is smooth."""
    x, y, weights = x.double(), y.double(), weights.double()
    kept = torch.ones(len(x), len(y), dtype=torch.bool, device=x.device)
    if self_pairs is False:
        kept.fill_diagonal_(False)
    i, j = kept.nonzero(as_tuple=True)
    with torch.enable_grad():
        first, second = boundary.fold(x)[i], boundary.fold(y)[j]
        if not first.requires_grad:
            first.requires_grad_()
        values = kernel.of_points(boundary, first, second)
        if self_pairs == "images":
            values = values - (i == j) * kernel.evaluate(boundary.displacement(first, second).unbind(-1))
        (slopes,) = torch.autograd.grad(values.sum(), first, create_graph=True)
    potential = x.new_zeros(len(x)).index_add(0, i, weights[j] * values)
    field = torch.zeros_like(x).index_add(0, i, weights[j, None] * slopes)
    return Sums(potential, field, (_largest(values), _largest(slopes.norm(dim=-1))))


def excess(found: Tensor, expected: Tensor, weights: Tensor, largest: float, tolerance: float) -> float:
    """The error as a multiple of what is promised, ``tolerance · (‖result‖ + 0.01·√N·Σ|w|·sup)``.

    Args:
        found: the result, in any dtype.
        expected: the same in float64.
        weights: of the columns, ``(M,)``.
        largest: sup, the size of the largest summand.
        tolerance: the relative error that is promised.
    """
    spread = 0.01 * len(expected) ** 0.5 * float(weights.double().abs().sum()) * largest
    error = float((found.detach().double() - expected.detach()).norm())
    allowed = tolerance * (float(expected.detach().norm()) + spread)
    return error / allowed if allowed else float(error > 0.0)


def derivatives(
    total: Callable[[Tensor, Tensor, Tensor], Tensor], kernel: Kernel, values: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradient of a combination of sums by all that they depend on, and the gradient of a combination of that.

    Args:
        total: the sums, ``(N,)``, as a function of two clouds and the weights of the second.
        kernel: its parameters count where they can be learned.
        values: the clouds and weights.
    """
    x, y, w = (value.clone().requires_grad_() for value in values)
    leaves = [x, y, w, *kernel.parameters()]
    first = torch.autograd.grad(_combined([total(x, y, w)]), leaves, create_graph=True, materialize_grads=True)
    second = torch.autograd.grad(_combined(first), leaves, materialize_grads=True)
    return [slope.detach() for slope in first], list(second)


def distance(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """``‖found − expected‖ / ‖expected‖`` of several tensors together."""
    error, size = (torch.cat([part.detach().double().flatten() for part in parts]) for parts in (found, expected))
    return float((error - size).norm() / size.norm()) if float(size.norm()) else float(error.norm())


def _combined(parts: Sequence[Tensor]) -> Tensor:
    """A number that all entries of some tensors count in, each otherwise."""
    return torch.stack([(signed_weights(s.numel(), seed) * s.flatten()).sum() for seed, s in enumerate(parts, 3)]).sum()


def _largest(sizes: Tensor) -> float:
    return float(sizes.detach().abs().max()) if sizes.numel() else 0.0


def curvatures(function: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    """The second derivatives of a number by each component of a point ``(1, d)``, ``(d,)``."""
    moved = point.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(moved), moved, create_graph=True, materialize_grads=True)
    if not slope.requires_grad:
        return torch.zeros(point.shape[1], dtype=point.dtype)
    rows = [torch.autograd.grad(part, moved, retain_graph=True)[0][0, axis] for axis, part in enumerate(slope[0])]
    return torch.stack(rows)


def limit_of_curvatures(kernel: Kernel, dimension: int, step: float) -> tuple[Tensor, Tensor]:
    """``∂²k/∂δₐ²`` for δ → 0 along axis a, the mean of both directions, ``(d,)``, with an estimate of the error."""

    def value(x: Tensor) -> Tensor:
        return kernel.of_points(OpenBoundary(), x, torch.zeros_like(x)).sum()

    def mean(distance: float) -> Tensor:
        total = torch.zeros(dimension, dtype=torch.float64)
        for axis in range(dimension):
            for sign in (-1.0, 1.0):
                away = torch.zeros(1, dimension, dtype=torch.float64)
                away[0, axis] = sign * distance
                total[axis] += 0.5 * curvatures(value, away)[axis].detach()
        return total

    first, second, third = (mean(step * factor) for factor in (1.0, 2.0, 4.0))
    coarse, fine = 2.0 * second - third, 2.0 * first - second
    return fine, (fine - coarse).abs()
