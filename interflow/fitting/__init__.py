"""Fitting: points that represent a target."""

from interflow.fitting.fit import Fit, fit
from interflow.fitting.settings import FitSettings

__all__ = ["Fit", "FitSettings", "fit"]
