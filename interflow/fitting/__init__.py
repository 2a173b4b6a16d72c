"""Fitting: points that represent a target."""

from interflow.fitting.fit import FitResult, fit
from interflow.fitting.settings import FitSettings

__all__ = ["FitResult", "FitSettings", "fit"]
