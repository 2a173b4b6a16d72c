"""What watches a run: objects that are called with the state after each step."""

from interflow.reporters.observables import (
    DiscrepancyTo,
    EnergyOf,
    FourierMode,
    MeanSpeed,
    Observable,
    PairDistances,
    Polarisation,
)
from interflow.reporters.series import CsvReport, GradientNorms, TimeSeries
from interflow.reporters.triggers import EverySeconds, EverySteps, StopWhen, Trigger, progress_bar, trigger

__all__ = [
    "CsvReport",
    "DiscrepancyTo",
    "EnergyOf",
    "EverySeconds",
    "EverySteps",
    "FourierMode",
    "GradientNorms",
    "MeanSpeed",
    "Observable",
    "PairDistances",
    "Polarisation",
    "StopWhen",
    "TimeSeries",
    "Trigger",
    "progress_bar",
    "trigger",
]
