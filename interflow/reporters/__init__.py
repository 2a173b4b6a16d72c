"""What watches a run: objects that are called with the state after each step."""

from interflow.reporters.gradient_norms import GradientNorms
from interflow.reporters.observables import (
    Alignment,
    DiscrepancyTo,
    EnergyOf,
    FourierMode,
    MeanSpeed,
    Observable,
    PairDistances,
)
from interflow.reporters.progress import progress_bar
from interflow.reporters.series import CsvReport, Series
from interflow.reporters.stops import StopWhen
from interflow.reporters.triggers import EverySeconds, EverySteps, Trigger, trigger

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
