"""Discrepancies: how far one weighted cloud is from another."""

from interflow.discrepancies.bandwidth import median_distance
from interflow.discrepancies.base import Discrepancy
from interflow.discrepancies.energy_distance import EnergyDistance, Estimate, sliced_energy_distance
from interflow.discrepancies.mmd import MMD
from interflow.discrepancies.sinkhorn import SinkhornDivergence
from interflow.discrepancies.sliced_wasserstein import SlicedWasserstein
from interflow.discrepancies.two_sample import TwoSampleTest, two_sample_test

__all__ = [
    "MMD",
    "Discrepancy",
    "EnergyDistance",
    "Estimate",
    "SinkhornDivergence",
    "SlicedWasserstein",
    "TwoSampleTest",
    "median_distance",
    "sliced_energy_distance",
    "two_sample_test",
]
