"""Operators of a real vector space, for kernels and energies alike.

``a + b``, ``a - b``, ``2.0 * a``, ``a / 2``, ``-a`` and ``sum([a, b])``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self


class LinearSpace(ABC):
    """Gives a class its linear operators; a family says once how its members are added and scaled."""

    @abstractmethod
    def _plus(self, other: Any) -> Any:
        """The sum with another member of the family, or ``NotImplemented``."""

    @abstractmethod
    def _times(self, factor: float) -> Any:
        """The member scaled by a real number."""

    def __add__(self, other: Any) -> Any:
        return self._plus(other)

    def __radd__(self, other: Any) -> Any:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # so that sum() works

    def __mul__(self, factor: Any) -> Any:
        return self._times(float(factor)) if isinstance(factor, int | float) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, factor: Any) -> Any:
        return self._times(1.0 / factor) if isinstance(factor, int | float) else NotImplemented

    def __neg__(self) -> Any:
        return self._times(-1.0)

    def __pos__(self) -> Self:
        return self

    def __sub__(self, other: Any) -> Any:
        return self._plus(-other) if isinstance(other, LinearSpace) else NotImplemented
