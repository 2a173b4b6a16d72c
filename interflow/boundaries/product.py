"""Domains with a boundary of its own for each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from interflow.boundaries.base import Boundary, Extent
from interflow.errors import ArgumentError


class ProductBoundary(Boundary):
    """A product of one-dimensional domains: ``δₐ(x, y)`` is the displacement of axis a's own boundary.

    Args:
        axes: a boundary of one axis for each axis.

    Raises:
        ArgumentError: if there is none, or one that has several axes.

    Example:
        >>> from interflow import OpenBoundary, PeriodicBoundary
        >>> channel = ProductBoundary([PeriodicBoundary(1.0), OpenBoundary()])
        >>> channel.displacement(torch.tensor([0.9, 0.9]), torch.tensor([0.1, 0.1]))
        tensor([-0.2000,  0.8000])
    """

    axes: Sequence[Boundary]

    def __init__(self, axes: Sequence[Boundary]) -> None:
        super().__init__()
        if not axes:
            raise ArgumentError("axes", came="no boundary", wanted="one for each axis")
        for index, axis in enumerate(axes):
            _check_axis(f"axes[{index}]", axis)
        self.axes = cast(Sequence[Boundary], nn.ModuleList(axes))

    @property
    def straight(self) -> bool:  # type: ignore[override]  # follows from the axes
        return all(axis.straight for axis in self.axes)

    def displacement(self, x: Tensor, y: Tensor) -> Tensor:
        columns = zip(self.axes, self._columns(x), self._columns(y), strict=True)
        return torch.cat([axis.displacement(a, b) for axis, a, b in columns], dim=-1)

    def wrap(self, x: Tensor) -> Tensor:
        return torch.cat([axis.wrap(a) for axis, a in zip(self.axes, self._columns(x), strict=True)], dim=-1)

    def fold(self, x: Tensor) -> Tensor:
        return torch.cat([axis.fold(a) for axis, a in zip(self.axes, self._columns(x), strict=True)], dim=-1)

    def reflect(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        columns = zip(self.axes, self._columns(x), self._columns(v), strict=True)
        positions, velocities = zip(*(axis.reflect(a, b) for axis, a, b in columns), strict=True)
        return torch.cat(positions, dim=-1), torch.cat(velocities, dim=-1)

    def periods(self, dimension: int) -> Tensor:
        self.check_dimension(dimension)
        return torch.cat([axis.periods(1) for axis in self.axes])

    def extent(self, dimension: int) -> Extent:
        self.check_dimension(dimension)
        parts = [axis.extent(1) for axis in self.axes]
        lower, upper = torch.cat([part.lower for part in parts]), torch.cat([part.upper for part in parts])
        return Extent(lower, upper, torch.cat([part.periodic for part in parts]))

    def image_periods(self, dimension: int) -> Tensor | None:
        self.check_dimension(dimension)
        periods = [axis.image_periods(1) for axis in self.axes]
        if all(period is None for period in periods):
            return None
        none = torch.full((1,), math.inf, dtype=torch.float64)
        return torch.cat([none if period is None else period for period in periods])

    def half_period(self) -> Tensor | None:
        halves = [half for axis in self.axes if (half := axis.half_period()) is not None]
        return torch.stack(halves).min() if halves else None

    def check_dimension(self, dimension: int) -> None:
        if dimension != len(self.axes):
            wanted = f"{len(self.axes)}, as many as `axes` of the boundary has"
            raise ArgumentError("positions", came=f"{dimension} coordinates a point", wanted=wanted)

    def _columns(self, x: Tensor) -> list[Tensor]:
        self.check_dimension(x.shape[-1])
        return [x[..., index : index + 1] for index in range(len(self.axes))]

    def __repr__(self) -> str:
        return f"ProductBoundary([{', '.join(map(repr, self.axes))}])"


def _check_axis(argument: str, axis: object) -> None:
    if not isinstance(axis, Boundary):
        raise ArgumentError(argument, came=type(axis).__name__, wanted="a Boundary, such as PeriodicBoundary(1.0)")
    try:
        axis.check_dimension(1)
    except ArgumentError:
        raise ArgumentError(argument, came=repr(axis), wanted="a boundary of one axis") from None
