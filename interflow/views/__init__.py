"""Figures of runs."""

from interflow.views.evolution import evolution

__all__ = ["evolution"]
