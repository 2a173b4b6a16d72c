"""What is asked of a series, and how it says that it cannot."""

from __future__ import annotations

from dataclasses import dataclass


class UnsuitableError(Exception):
    """A kernel, a domain or a tolerance for which no series is known to serve; the message says why."""


@dataclass(frozen=True)
class Demand:
    """What error a sum may have at any point, relative to ``Σ|wⱼ|``.

    Attributes:
        order: 0 for the potential, 1 for the field, 2 for its derivatives.
        error: the error.
        analysis: the part of it that an analysis may take, and a synthesis; by default nine twentieths.
    """

    order: int
    error: float
    analysis: float | None = None

    @property
    def name(self) -> str:
        """What has the error, in words."""
        return ("the potential", "the field", "derivatives of the field")[self.order]

    @property
    def share(self) -> float:
        """What modes that are left out may take, and what images that are too many may."""
        return 0.05 * self.error

    @property
    def transforms(self) -> float:
        """What an analysis may take, and what a synthesis may: the rest, since their precision costs the most."""
        return 0.45 * self.error if self.analysis is None else self.analysis
