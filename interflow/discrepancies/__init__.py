"""Discrepancies: how far one weighted cloud is from another."""

from interflow.discrepancies.base import Discrepancy
from interflow.discrepancies.energy_distance import EnergyDistance
from interflow.discrepancies.mmd import MMD

__all__ = ["MMD", "Discrepancy", "EnergyDistance"]
