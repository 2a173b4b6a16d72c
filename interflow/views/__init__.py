"""Figures of runs, and pages for a browser."""

from interflow.views.evolution import evolution
from interflow.views.fitting import fit_report
from interflow.views.page import widget, write_page

__all__ = ["evolution", "fit_report", "widget", "write_page"]
