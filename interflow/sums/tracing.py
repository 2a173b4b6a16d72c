"""From a kernel or a law and a boundary, written in plain tensor code, to expressions of one pair.

The code runs once, on two points of d coordinates, under a `Tracer`, which repeats each operation on expressions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import KernelError
from interflow.kernels import Kernel
from interflow.kernels.images import ImageSum
from interflow.parameters import hyperparameters, substitute
from interflow.sums.expression import Expression
from interflow.sums.tracer import Shapes, Tracer, as_expression


def trace_kernel(kernel: Kernel, boundary: Boundary, dimension: int, images: ImageSum[Any] | None = None) -> Expression:
    """The expression of ``k(x, y)``; with ``images``, of the sum over all images, written in this way.

    Its leaves are row 0..d−1 for x, column 0..d−1 for y, and the parameters in the order of `hyperparameters`: those of
    the kernel, then those of the boundary, each flattened.

    Raises:
        KernelError: with the reason, if the code cannot be written as one scalar expression.
    """
    shapes = _shapes(kernel, boundary)
    with ThreadPoolExecutor(1) as fresh:  # a fresh thread has none of the caller's modes and transforms
        return fresh.submit(_trace, kernel, boundary, dimension, images, shapes).result()


def trace_displacement(kernel: Kernel, boundary: Boundary, dimension: int) -> tuple[Expression, ...]:
    """The expressions of the components of ``δ(x, y)``, with the leaves that `trace_kernel` gives them."""
    shapes = _shapes(kernel, boundary)
    with ThreadPoolExecutor(1) as fresh:
        return fresh.submit(_trace_displacement, boundary, dimension, shapes).result()


def _shapes(kernel: Kernel, boundary: Boundary) -> Shapes:
    values = {"kernel": hyperparameters(kernel), "boundary": hyperparameters(boundary)}
    return {part: {name: value.shape for name, value in own.items()} for part, own in values.items()}


def _trace(
    kernel: Kernel, boundary: Boundary, dimension: int, images: ImageSum[Any] | None, shapes: Shapes
) -> Expression:
    tracer = Tracer()
    values = tracer.parameters(shapes)
    with tracer.following(boundary):
        domain = substitute(boundary, values["boundary"])
        displacement = domain.displacement(*tracer.points(dimension)).unbind()
        periods = domain.periods(dimension).unbind() if images else ()
    tracer.vanishing.update(part for component in displacement for part in tracer.expressions(component).flat)
    with tracer.following(kernel):
        own = substitute(kernel, values["kernel"])
        value = images.evaluate(own, displacement, periods) if images else own.evaluate(displacement)
    result = tracer.expressions(value)
    if result.size != 1:
        raise KernelError(f"{type(kernel).__name__} gives an array of shape {result.shape} for one pair, not a number.")
    return as_expression(result.item())


def _trace_displacement(boundary: Boundary, dimension: int, shapes: Shapes) -> tuple[Expression, ...]:
    tracer = Tracer()
    values = tracer.parameters(shapes)
    with tracer.following(boundary):
        displacement = substitute(boundary, values["boundary"]).displacement(*tracer.points(dimension))
    return tuple(map(as_expression, tracer.expressions(displacement).flat))


def parameter_vector(kernel: Kernel, boundary: Boundary, like: Tensor) -> Tensor:
    """All hyperparameters in the order of their leaves, float64, shape ``(1, k)``, on the device of ``like``."""
    values = [*hyperparameters(kernel).values(), *hyperparameters(boundary).values()]
    flat = [value.reshape(-1).to(device=like.device, dtype=torch.float64) for value in values]
    return torch.cat(flat)[None] if flat else torch.zeros(1, 0, dtype=torch.float64, device=like.device)
