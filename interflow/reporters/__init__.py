"""What watches a run: objects that are called with the state after each step."""

from interflow.reporters.observables import (
    Alignment,
    DiscrepancyTo,
    EnergyOf,
    FourierMode,
    MeanSpeed,
    Observable,
    PairDistances,
)
from interflow.reporters.series import CsvReport, GradientNorms, Series
from interflow.reporters.triggers import EverySeconds, EverySteps, StopWhen, Trigger, progress_bar, trigger

__all__ = [
    "Alignment",
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
    "Series",
    "StopWhen",
    "Trigger",
    "progress_bar",
    "trigger",
]
