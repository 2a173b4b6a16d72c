"""The domains."""

from interflow.boundaries.base import Boundary, Extent
from interflow.boundaries.open import OpenBoundary
from interflow.boundaries.periodic import PeriodicBoundary
from interflow.boundaries.product import ProductBoundary
from interflow.boundaries.reflecting import ReflectingBoundary

__all__ = ["Boundary", "Extent", "OpenBoundary", "PeriodicBoundary", "ProductBoundary", "ReflectingBoundary"]
