"""Kernel ridge regression of several outputs at once, by conjugate gradients on sums over all pairs.

Noisy values of a map from the cube to E numbers are given at N points. The coefficients solve ``(K + λI) w = v`` for
all outputs together: each iteration is one pass over the pairs, ``potential(kernel, x, x, directions)``, and nothing
has N² entries. Of the default 100 000 points and 16 outputs an iteration takes some 30 s on one core of a CPU, and
there are about a hundred; ``--points 10000`` takes a hundredth for each. ``--help`` lists what can be changed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import interflow as fl


def truth(x: Tensor, outputs: int) -> Tensor:
    """Waves in several directions, ``(N, E)``."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(x.shape[1], outputs, generator=generator, dtype=x.dtype)
    return torch.sin(3.0 * x @ directions)


def conjugate_gradients(
    multiply: Callable[[Tensor], Tensor], values: Tensor, tolerance: float, most: int
) -> tuple[Tensor, int]:
    """``w`` with ``A w = v`` for each column, and the iterations taken (Hestenes and Stiefel, 1952).

    Args:
        multiply: from ``(N, E)`` to ``A w`` for a symmetric positive definite A.
        values: v, ``(N, E)``.
        tolerance: of the residual of each column, relative to v.
        most: iterations at most.
    """
    found, residual = torch.zeros_like(values), values.clone()
    direction, size = residual, residual.square().sum(0)
    wanted = tolerance**2 * size
    for iteration in range(most):
        if bool((size <= wanted).all()):
            return found, iteration
        moved = multiply(direction)
        step = size / (direction * moved).sum(0).clamp(min=torch.finfo(values.dtype).tiny)
        found = found + step * direction
        residual = residual - step * moved
        before, size = size, residual.square().sum(0)
        direction = residual + size / before.clamp(min=torch.finfo(values.dtype).tiny) * direction
    return found, most


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000, help="at which values are given")
    parser.add_argument("--outputs", type=int, default=16, help="E, the values a point")
    parser.add_argument("--sigma", type=float, default=0.3, help="the length of the kernel")
    parser.add_argument("--noise", type=float, default=0.1, help="standard deviation of what is added to the values")
    parser.add_argument("--ridge", type=float, default=1.0, help="λ, which the kernel's matrix is shifted by")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the residual, relative to the values")
    parser.add_argument("--iterations", type=int, default=200, help="at most")
    parser.add_argument("--backend", help="which sums over all pairs; by default the fastest for so many iterations")
    options = parser.parse_args(arguments)

    generator = torch.Generator().manual_seed(0)
    x, unseen = (torch.rand(count, 3, generator=generator) for count in (options.points, 1000))
    values = truth(x, options.outputs)
    values = values + options.noise * torch.randn(values.shape, generator=generator)
    kernel = fl.GaussianKernel(options.sigma)

    backend = options.backend or fl.Auto(repetitions=options.iterations)

    def multiply(weights: Tensor) -> Tensor:
        moved: Tensor = fl.potential(kernel, x, x, weights, backend=backend) + options.ridge * weights
        return moved

    start = time.perf_counter()
    weights, iterations = conjugate_gradients(multiply, values, options.tolerance, options.iterations)
    seconds = time.perf_counter() - start
    print(f"{options.points} points, {options.outputs} outputs: {iterations} iterations in {seconds:.1f} s")
    error = fl.potential(kernel, unseen, x, weights, backend=backend) - truth(unseen, options.outputs)
    print(f"error at {len(unseen)} other points: {error.square().mean().sqrt():.4f}, noise {options.noise:g}")


if __name__ == "__main__":
    main()
