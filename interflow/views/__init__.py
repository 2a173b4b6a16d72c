"""Figures of runs."""

from interflow.views.evolution import evolution
from interflow.views.fitting import fit_report

__all__ = ["evolution", "fit_report"]
