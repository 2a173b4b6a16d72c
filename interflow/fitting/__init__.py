"""Fitting: points that represent a target."""

from interflow.fitting.fit import fit
from interflow.fitting.result import Fit
from interflow.fitting.settings import FitSettings

__all__ = ["Fit", "FitSettings", "fit"]
