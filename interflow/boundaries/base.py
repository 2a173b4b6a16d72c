"""The domain that particles live in: displacements, wrapping, reflection, and where it ends."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import Parametrised, finite, hyperparameters
from interflow.validation import check_cloud, check_instance, check_same_space


@final
@dataclass(frozen=True, eq=False)
class Extent:
    """The corners of a domain, and the axes along which it closes up: what is left of a boundary in a file or a view.

    Args:
        lower: the lower corner, ``(d,)`` in float64; −∞ on an axis without end.
        upper: the upper corner, likewise.
        periodic: ``(d,)``, bool: whether ``upper`` is ``lower`` again.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> circle = PeriodicBoundary(1.0).extent(1)
        >>> circle.shortest(torch.tensor([[0.9]]), torch.tensor([[0.1]]))
        tensor([[-0.2000]])
    """

    lower: Tensor
    upper: Tensor
    periodic: Tensor

    def shortest(self, x: Tensor, y: Tensor) -> Tensor:
        """The shortest way from ``y`` to ``x``, both ``(..., d)``: on a periodic axis to the nearest image."""
        difference = x - y
        lengths = torch.where(self.periodic, self.upper - self.lower, 1.0).to(difference)
        turns = torch.where(self.periodic.to(difference.device), (difference / lengths).round(), 0.0)
        return difference - lengths * turns

    def inside(self, x: Tensor) -> Tensor:
        """``x`` with whole periods taken off, so that it lies between the corners; ``(..., d)``."""
        lengths = torch.where(self.periodic, self.upper - self.lower, 1.0).to(x)
        lower = torch.where(self.periodic, self.lower, 0.0).to(x)
        turns = torch.where(self.periodic.to(x.device), ((x - lower) / lengths).floor(), 0.0)
        return x - lengths * turns


class Boundary(Parametrised, ABC):
    """A domain of ``d`` axes. A subclass writes `displacement` and `wrap`, and `reflect` where velocities change.

    All work on the last axis of tensors of any leading shape, ``(..., d)``, in plain tensor arithmetic: the engine
    traces `displacement` once and every backend runs the traced formula.

    Attributes:
        straight: whether δ(x, y) is ``x − y`` up to whole periods, as a Fourier series needs; a subclass says so.

    Example:
        >>> class Stretched(Boundary):
        ...     def displacement(self, x, y):
        ...         return 2.0 * (x - y)
        ...
        ...     def wrap(self, x):
        ...         return x
        >>> Stretched().squared_distances(torch.zeros(1, 1), torch.ones(1, 1))
        tensor([[4.]])
    """

    straight: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in vars(cls).keys() & {"displacement", "wrap", "fold", "reflect"}:
            setattr(cls, name, _of_tensors(vars(cls)[name]))

    @abstractmethod
    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        """The vector δ(x, y) from ``y`` to ``x``; shapes ``(..., d)`` that broadcast."""

    @abstractmethod
    def wrap(self, x: Tensor) -> Tensor:
        """The representative of ``x`` inside the domain; shape ``(..., d)``."""

    def fold(self, x: Tensor) -> Tensor:
        """``x`` less whole periods, all points in one period of the domain; without periods x itself; ``(..., d)``.

        Pair sums fold points before they take displacements: of points that are many periods apart a displacement has
        lost its digits, and at a half period its sign would depend on the period that each is in.
        """
        return x

    def reflect(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Positions back inside the domain, and the velocities that they have there; shapes ``(..., d)``."""
        return self.wrap(x), v

    def periods(self, dimension: int) -> Tensor:
        """The period of each of ``d`` axes, ``(d,)`` in float64; infinite where the domain is not periodic."""
        return torch.full((dimension,), math.inf, dtype=torch.float64)

    def extent(self, dimension: int) -> Extent:
        """Where the domain ends along each of ``d`` axes; without end by default."""
        infinite = torch.full((dimension,), math.inf, dtype=torch.float64)
        return Extent(-infinite, infinite, torch.zeros(dimension, dtype=torch.bool))

    def image_periods(self, dimension: int) -> Tensor | None:
        """The periods along which all images of a point count, ``(d,)``, infinite elsewhere; None if there are none."""
        return None

    def half_period(self) -> Tensor | None:
        """Half of the shortest period of nearest images, which no cutoff may pass; None where there are none."""
        return None

    def check_dimension(self, dimension: int) -> None:
        """Raise `ArgumentError` if this domain has not ``dimension`` axes: by default, if a vector says otherwise."""
        for name, value in hyperparameters(self).items():
            if value.ndim == 1 and value.numel() != dimension:
                raise ArgumentError(
                    "positions",
                    came=f"{dimension} coordinates a point",
                    wanted=f"{value.numel()}, as many as `{name}` of the boundary has",
                )

    def squared_distances(self, x: Tensor, y: Tensor, method: Literal["direct", "expanded"] = "direct") -> Tensor:
        """The matrix ``|δ(xᵢ, yⱼ)|²``, shape ``(N, M)``, for those who want to look; no pair sum allocates it.

        On a torus δ leads to the nearest image, also where a kernel is summed over all of them.

        Args:
            x: ``(N, d)``.
            y: ``(M, d)``.
            method: ``"direct"`` sums squared differences; ``"expanded"`` is ``|x|² + |y|² − 2⟨x, y⟩`` about the mean
                of ``y``, clamped at 0, for the open domain only.

        Raises:
            ArgumentError: if the points or the method do not fit this domain.
        """
        if method == "direct":
            return sum(component.square() for component in displacement_matrix(self, x, y))  # type: ignore[return-value]
        if method == "expanded":
            return self._expanded_squared_distances(x, y)
        raise ArgumentError("method", came=repr(method), wanted="'direct' or 'expanded'")

    def _expanded_squared_distances(self, x: Tensor, y: Tensor) -> Tensor:
        raise ArgumentError(
            "method",
            came="'expanded'",
            wanted=f"'direct' on {type(self).__name__}",
            remedy="Expanding the square assumes straight differences, as in OpenBoundary.",
        )


def _of_tensors(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a boundary that raises `ArgumentError` for points that are no tensors, such as NumPy arrays."""
    _, *names = inspect.signature(method).parameters

    @wraps(method)
    def checked(boundary: Boundary, *points: Tensor, **named: Tensor) -> Any:
        for name, value in (*zip(names, points, strict=False), *named.items()):
            check_instance(name, value, Tensor)
        return method(boundary, *points, **named)

    return checked


def displacement_matrix(boundary: Boundary, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The components of δ(xᵢ, yⱼ), each ``(N, M)``."""
    check_points(boundary, x, y)
    return torch.unbind(boundary.displacement(boundary.fold(x)[:, None, :], boundary.fold(y)[None, :, :]), dim=-1)


def check_points(boundary: Boundary, x: Tensor, y: Tensor) -> None:
    """Raise `ArgumentError` unless two clouds ``(N, d)`` and ``(M, d)`` are of one space, which is the boundary's."""
    check_cloud(x, names=("x", "x_weights"))
    check_cloud(y, names=("y", "y_weights"))
    check_same_space(x, y)
    boundary.check_dimension(x.shape[-1])


def corner(name: str, value: float | Tensor) -> Tensor:
    """The value as a float64 tensor of shape ``()`` or ``(d,)``; raises `ArgumentError` naming the argument."""
    tensor = finite(name, value)
    if tensor.ndim > 1:
        came = f"a tensor of shape {tuple(tensor.shape)}"
        raise ArgumentError(name, came=came, wanted="a number, or one number an axis")
    return tensor


def on_axes(value: Tensor, dimension: int) -> Tensor:
    """A corner as numbers to keep: ``(d,)`` in float64, on the CPU."""
    return value.detach().double().cpu().expand(dimension).clone()


def check_same_axes(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raise `ArgumentError` naming the first argument if the two have different numbers of axes."""
    if value.ndim == other.ndim == 1 and value.numel() != other.numel():
        wanted = f"{other.numel()}, as many as `{other_name}` has, or one number"
        raise ArgumentError(name, came=f"{value.numel()} numbers", wanted=wanted)
