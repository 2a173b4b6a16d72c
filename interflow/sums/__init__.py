"""Pair sums."""

from interflow.sums.reference import bilinear, field, potential, potential_and_field, quadratic

__all__ = ["bilinear", "field", "potential", "potential_and_field", "quadratic"]
