"""The kernels of the inner product."""

from __future__ import annotations

from abc import abstractmethod
from functools import reduce
from operator import add

import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.boundaries.base import check_points
from interflow.errors import ArgumentError
from interflow.kernels.base import Kernel
from interflow.kernels.powers import power, softening_parameter
from interflow.parameters import PositiveParameter
from interflow.validation import is_count


class InnerProductKernel(Kernel):
    """A kernel ``k(x, y) = φ(⟨x, y⟩)`` of the inner product of two positions. A subclass writes `profile`.

    It is no function of the displacement, and so has no place where an axis is periodic. Points of many coordinates,
    such as features of images, are summed by matrix products.
    """

    symmetric = True

    @abstractmethod
    def profile(self, inner_product: Tensor) -> Tensor:
        """φ as a function of ``⟨x, y⟩``, elementwise, in method-call syntax."""

    def pair(self, displacement: tuple[Tensor, ...]) -> Tensor:
        raise ArgumentError(
            "kernel",
            came=f"{type(self).__name__}, a function of the inner product of two positions",
            wanted="a function of their displacement",
        )

    def between(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], displacement: tuple[Tensor, ...]) -> Tensor:
        return self.profile(reduce(add, (a * b for a, b in zip(x, y, strict=True))))

    def at_zero(self, dimension: int = 1, boundary: Boundary | None = None) -> Tensor:
        return self.profile(torch.zeros((), dtype=torch.float64))

    def check_domain(self, boundary: Boundary, dimension: int) -> None:
        if bool(boundary.periods(dimension).isfinite().any()):
            raise ArgumentError(
                "boundary",
                came=f"a periodic axis with {type(self).__name__}, a function of ⟨x, y⟩",
                wanted="a domain without periodic axes, on which positions have an inner product",
                remedy="Take a kernel of the displacement, such as GaussianKernel.",
            )

    def forward(self, x: Tensor, y: Tensor, boundary: Boundary | None = None) -> Tensor:
        boundary = OpenBoundary() if boundary is None else boundary
        check_points(boundary, x, y)
        self.check_domain(boundary, x.shape[-1])
        return self.profile(x @ y.mT)


class PolynomialKernel(InnerProductKernel):
    """``k(x, y) = (s⟨x, y⟩ + c)ⁿ``, positive definite in every dimension (Poggio, 1975).

    The unbiased MMD of ``n = 3``, ``s = 1/d`` and ``c = 1`` on features of images is the kernel inception distance, KID
    (Bińkowski, Sutherland, Arbel and Gretton, 2018).

    Args:
        degree: the exponent n, a positive whole number. It is fixed.
        scale: the factor s, in units of the inverse square of the positions.
        offset: c, positive or 0.
        learnable: make s, and c unless it is 0, ``nn.Parameter``s.

    Raises:
        ArgumentError: unless n is a positive whole number, s positive and c positive or 0.

    Example:
        >>> from interflow import MMD
        >>> kid = MMD(PolynomialKernel(degree=3, scale=1 / 2048, offset=1.0), estimator="unbiased")
        >>> round(kid(torch.zeros(10, 2048), torch.ones(20, 2048)).item(), 3)
        7.0
    """

    definite = True
    positive_definite = True

    def __init__(self, degree: int, scale: float = 1.0, offset: float = 1.0, *, learnable: bool = False) -> None:
        super().__init__()
        if not is_count(degree, at_least=1):
            raise ArgumentError("degree", came=repr(degree), wanted="a positive whole number")
        self.degree = degree
        self.scale = PositiveParameter(scale, learnable=learnable)
        self.offset = softening_parameter(offset, learnable)

    def profile(self, inner_product: Tensor) -> Tensor:
        return power(inner_product * self.scale + self.offset, float(self.degree))


class LinearKernel(InnerProductKernel):
    """``k(x, y) = ⟨x, y⟩ + c``, positive definite in every dimension.

    Its MMD is the squared distance of the means of two measures.

    Args:
        offset: c, positive or 0.
        learnable: make c an ``nn.Parameter``.

    Raises:
        ArgumentError: unless c is positive or 0, and positive where it is learnable.

    Example:
        >>> LinearKernel()(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([[11.]])
    """

    definite = True
    positive_definite = True

    def __init__(self, offset: float = 0.0, *, learnable: bool = False) -> None:
        super().__init__()
        self.offset = softening_parameter(offset, learnable)
        if learnable and not isinstance(self.offset, Tensor):
            raise ArgumentError("offset", came=offset, wanted="a positive number where it is learnable")

    def profile(self, inner_product: Tensor) -> Tensor:
        return inner_product + self.offset
