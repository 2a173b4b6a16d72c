"""Points as a file holds them: arrays, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from interflow.errors import ArgumentError

Array = NDArray[Any]
COLOURS = ("red", "green", "blue")


@final
@dataclass(frozen=True, eq=False)
class PointCloud:
    """Weighted points with named columns.

    Args:
        positions: ``(N, d)``, numbers.
        weights: ``(N,)``, the mass of each point; None where all weigh the same.
        columns: what else is told of each point, ``(N,)`` arrays by name, such as ``red`` or ``intensity``.
        canvas: width and height of the image that the points come from, in pixels.

    Raises:
        ArgumentError: if the shapes do not fit together.

    Example:
        >>> cloud = PointCloud(np.zeros((3, 2)), columns={"label": np.array(["a", "b", "c"])})
        >>> cloud.select([2]).columns["label"]
        array(['c'], dtype='<U1')
    """

    positions: Array
    weights: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    canvas: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        positions = _native(np.asarray(self.positions))
        if positions.ndim != 2 or positions.shape[1] == 0 or positions.dtype.kind not in "fiu":
            came = f"shape {positions.shape} of {positions.dtype}"
            raise ArgumentError("positions", came=came, wanted="numbers of shape (N, d)")
        object.__setattr__(self, "positions", positions)
        columns = {name: _native(np.asarray(values)) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", MappingProxyType(columns))
        weights = {} if self.weights is None else {"weights": _native(np.asarray(self.weights))}
        for name, values in {**weights, **columns}.items():
            if values.shape != (len(positions),):
                raise ArgumentError(name, came=f"shape {values.shape}", wanted=f"({len(positions)},), one a point")
        for name, values in weights.items():
            if values.dtype.kind not in "fiu":
                raise ArgumentError(name, came=f"values of {values.dtype}", wanted="numbers")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.positions.shape[1])

    @property
    def mass(self) -> float:
        """The sum of the weights; 1 where all weigh the same."""
        return 1.0 if self.weights is None else float(np.sum(self.weights, dtype=np.float64))

    def select(self, index: Any) -> PointCloud:
        """Some of the points, as NumPy's indices choose them, with their weights and columns."""
        return replace(
            self,
            positions=self.positions[index],
            weights=None if self.weights is None else self.weights[index],
            columns={name: values[index] for name, values in self.columns.items()},
        )


def _native(values: Array) -> Array:
    """In the byte order of this machine and at most 64 bits, which other libraries want; the same where it is so."""
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
