"""The domains."""

from interflow.boundaries.base import Boundary
from interflow.boundaries.open import OpenBoundary
from interflow.boundaries.periodic import PeriodicBoundary

__all__ = ["Boundary", "OpenBoundary", "PeriodicBoundary"]
