"""The step size, from the curvature that points meet.

A step h of the accelerated flow is stable where ``h² λ < 4`` for the slopes λ of the velocity. They are measured by
moving every point a little in a random direction: ``λᵢ = |v(x + εξ)ᵢ − v(x)ᵢ| / ε|ξᵢ|``.
"""

from __future__ import annotations

import torch

from interflow.energies import DiscrepancyEnergy
from interflow.fitting.starts import from_samples

PROBES = 1000
LENGTH = 0.03
QUANTILE = 0.95
SAFETY = 0.6


@torch.no_grad()
def step_size(energy: DiscrepancyEnergy, generator: torch.Generator) -> float:
    """``h = c / √λ`` with the 95 % quantile of the slopes at points of the target, and a c chosen by measurement."""
    target, weights = energy.target, energy.target_weights
    probes = from_samples(min(PROBES, len(target)), target, weights, generator)
    against = DiscrepancyEnergy(energy.discrepancy, from_samples(4 * len(probes), target, weights, generator))
    noise = torch.randn(probes.shape, generator=generator, dtype=probes.dtype, device=generator.device)
    shift = LENGTH * noise.to(probes.device)
    change = against.velocity(probes + shift) - against.velocity(probes)
    slopes = change.norm(dim=1) / shift.norm(dim=1).clamp(min=1e-12)
    steepest = float(slopes.double().quantile(QUANTILE))
    return SAFETY / max(steepest, 1e-12) ** 0.5 if steepest > 0 else 1.0
