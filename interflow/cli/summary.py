"""How a run went, as a mapping that JSON can hold and as one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from interflow.cli.versions import versions
from interflow.errors import ArgumentError
from interflow.solution import Solution
from interflow.system import ParticleSystem


def summarise(name: str, system: ParticleSystem, solution: Solution) -> dict[str, Any]:
    """What ran where, how fast and on which backends, and the energies of the frames."""
    count, dimension = system.positions.shape
    return {
        "name": name,
        "particles": count,
        "dimension": dimension,
        "dtype": str(system.positions.dtype).removeprefix("torch."),
        "device": str(system.positions.device),
        **solution.stats,
        "energies": _finite(solution.energies.tolist()),
        "versions": versions(),
    }


def check(summary: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` unless a summary that was read tells what its headline does."""
    told = ("particles", "steps", "seconds", "steps_per_second", "energies", "sums")
    if missing := [name for name in told if name not in summary or (name == "energies" and not summary[name])]:
        remedy = "Move it away: `interflow run --resume` writes it anew."
        raise ArgumentError("run", came=f"a summary.json without `{missing[0]}`", wanted="all of it", remedy=remedy)


def headline(summary: Mapping[str, Any]) -> str:
    """The summary in one line."""
    energies = summary["energies"]
    before = summary.get("steps_before", 0)
    resumed = f", {summary['steps'] - before} of them since it was resumed," if before else ""
    return (
        f"{summary['particles']:,} particles, {summary['steps']} steps{resumed} in {summary['seconds']:.3g} s "
        f"({summary['steps_per_second']:.3g} steps/s), "
        f"energy {_shown(energies[0])} → {_shown(energies[-1])}"
    )


def backends(summary: Mapping[str, Any]) -> list[str]:
    """What summed the pairs of each term of the energy and why, a line each."""
    return [f"{said['term']} on the backend {said['backend']}: {said['why']}" for said in summary["sums"]]


def _finite(values: list[float]) -> list[float | None]:
    """Numbers without infinities, for which JSON has no word."""
    return [value if math.isfinite(value) else None for value in values]


def _shown(energy: float | None) -> str:
    return "not finite" if energy is None else f"{energy:.6g}"
