"""From a kernel or a law and a boundary, written in plain tensor code, to expressions of one pair.

The code runs once, on two points of d coordinates, under a `Tracer`, which repeats each operation on expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from interflow.boundaries import Boundary
from interflow.errors import KernelError
from interflow.kernels import Kernel
from interflow.kernels.images import ImageSum
from interflow.kernels.interaction import Interaction
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
    with tracer.following(type(boundary).__name__):
        domain = substitute(boundary, values["boundary"])
        x, y = tracer.points(dimension)
        displacement = domain.displacement(x, y).unbind()
        periods = domain.periods(dimension).unbind() if images else ()
    tracer.vanishing.update(part for component in displacement for part in tracer.expressions(component).flat)
    with tracer.following(type(kernel).__name__):
        own = substitute(kernel, values["kernel"])
        if images:
            value = images.evaluate(own, displacement, periods)
        else:
            value = own.between(x.unbind(), y.unbind(), displacement)
    result = tracer.expressions(value)
    if result.size != 1:
        raise KernelError(f"{type(kernel).__name__} gives an array of shape {result.shape} for one pair, not a number.")
    return as_expression(result.item())


def _trace_displacement(boundary: Boundary, dimension: int, shapes: Shapes) -> tuple[Expression, ...]:
    tracer = Tracer()
    values = tracer.parameters(shapes)
    with tracer.following(type(boundary).__name__):
        displacement = substitute(boundary, values["boundary"]).displacement(*tracer.points(dimension))
    return tuple(map(as_expression, tracer.expressions(displacement).flat))


def parameter_vector(kernel: nn.Module, boundary: Boundary, like: Tensor) -> Tensor:
    """All hyperparameters in the order of their leaves, float64, shape ``(1, k)``, on the device of ``like``."""
    values = [*hyperparameters(kernel).values(), *hyperparameters(boundary).values()]
    flat = [value.reshape(-1).to(device=like.device, dtype=torch.float64) for value in values]
    return torch.cat(flat)[None] if flat else torch.zeros(1, 0, dtype=torch.float64, device=like.device)


class Feature(NamedTuple):
    """A block of components of a particle as a law sees it.

    Attributes:
        name: the attribute under which the law reads it.
        width: its number of components; None for a number.
        is_whole: whether it is a whole number, which may index a tensor.
    """

    name: str
    width: int | None
    is_whole: bool

    @property
    def size(self) -> int:
        """The number of its components."""
        return 1 if self.width is None else self.width


@dataclass(frozen=True)
class TracedLaw:
    """The expressions of a law of a pair.

    Attributes:
        outputs: one expression a component of the result.
        is_vector: whether the result is a vector ``(k,)``.
        limits: side (``"row"``, ``"column"``), index of the component and length of the tensor, for each whole-number
            feature that indexes one.
    """

    outputs: tuple[Expression, ...]
    is_vector: bool
    limits: tuple[tuple[str, int, int], ...]


class _Particle:
    """A particle as a law sees it: its position and its features, as attributes."""

    def __init__(self, name: str, values: dict[str, Tensor]) -> None:
        self._name, self._values = name, values

    def __getattr__(self, name: str) -> Tensor:
        if name in self._values:
            return self._values[name]
        names = ", ".join(f"`{self._name}.{other}`" for other in self._values)
        raise KernelError(
            f"The law reads `{self._name}.{name}`; there are {names}. Give it among the features of "
            f"{'x' if self._name == 'i' else 'y'}, as {{{name!r}: tensor}}."
        )


def trace_law(
    law: Interaction,
    boundary: Boundary,
    dimension: int,
    row_features: Sequence[Feature],
    column_features: Sequence[Feature],
) -> TracedLaw:
    """The expressions of ``law(δ(x, y), i, j)``.

    Their leaves are row 0..d−1 for x and then the features of i, column likewise for y and j, and the parameters of the
    law, then those of the boundary.

    Raises:
        KernelError: with the reason, if the code cannot be written as expressions of a pair.
    """
    values = {"law": hyperparameters(law), "boundary": hyperparameters(boundary)}
    shapes = {part: {name: value.shape for name, value in own.items()} for part, own in values.items()}
    with ThreadPoolExecutor(1) as fresh:
        return fresh.submit(_trace_law, law, boundary, dimension, row_features, column_features, shapes).result()


def _trace_law(
    law: Interaction,
    boundary: Boundary,
    dimension: int,
    row_features: Sequence[Feature],
    column_features: Sequence[Feature],
    shapes: Shapes,
) -> TracedLaw:
    tracer = Tracer()
    values = tracer.parameters(shapes)
    x, y = tracer.points(dimension)
    particles = []
    for name, side, point, features in (("i", "row", x, row_features), ("j", "column", y, column_features)):
        blocks = {"position": point}
        start = dimension
        for feature in features:
            shape = () if feature.width is None else (feature.width,)
            blocks[feature.name] = tracer.feature(side, start, shape, feature.is_whole)
            start += feature.size
        particles.append(_Particle(name, blocks))
    with tracer.following(type(boundary).__name__):
        displacement = substitute(boundary, values["boundary"]).displacement(x, y)
    tracer.vanishing.update(tracer.expressions(displacement).flat)
    with tracer.following(law.describe()):
        result = substitute(law, values["law"]).evaluate(displacement, *particles)
    array = tracer.expressions(result)
    if array.ndim > 1 or array.size == 0:
        raise KernelError(
            f"{law.describe()} gives an array of shape {array.shape} for one pair, wanted a number or a vector (k,)."
        )
    return TracedLaw(tuple(map(as_expression, array.flat)), array.ndim == 1, tuple(sorted(tracer.limits)))
