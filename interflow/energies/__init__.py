"""Energies: scalars of a weighted cloud, and the velocities that descend them."""

from interflow.energies.base import Energy, ScaledEnergy, SumEnergy
from interflow.energies.discrepancy import DiscrepancyEnergy
from interflow.energies.external import ExternalEnergy
from interflow.energies.interaction import InteractionEnergy

__all__ = ["DiscrepancyEnergy", "Energy", "ExternalEnergy", "InteractionEnergy", "ScaledEnergy", "SumEnergy"]
