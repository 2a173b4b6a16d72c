"""The step size, from the curvature that points meet.

A step h of the accelerated flow is stable where ``h² λ < 4`` for the slopes λ of the velocity. Two of them are measured
on points of the target, shifted by ε ξ with ξ random:

- that of points by themselves, ``|v(x + εξ)ᵢ − v(x)ᵢ| / ε|ξᵢ|`` with a ξᵢ of its own for each, which is steep where
  the target is dense;
- that of the cloud as a whole, ``|Σᵢ v(x + εξ)ᵢ − v(x)ᵢ| / Nε|ξ|`` with one ξ for all, which in many dimensions is the
  steeper one: there the pull of the target and the push of the other points on a single point nearly cancel.
"""

from __future__ import annotations

import torch

from interflow.energies import DiscrepancyEnergy
from interflow.fitting.starts import from_samples

PROBES = 1000
LENGTH = 0.03
QUANTILE = 0.95
ALONE, TOGETHER = 0.6, 1.0


@torch.no_grad()
def step_size(energy: DiscrepancyEnergy, generator: torch.Generator) -> float:
    """``h = min(0.6 / √λ, 1 / √λ₀)`` with the 95 % quantile λ of the slopes of points and the slope λ₀ of the cloud.

    The two numbers were chosen by measurement.
    """
    target, weights = energy.target, energy.target_weights
    probes = from_samples(min(PROBES, len(target)), target, weights, generator)
    against = DiscrepancyEnergy(energy.discrepancy, from_samples(4 * len(probes), target, weights, generator))
    noise = torch.randn(probes.shape, generator=generator, dtype=probes.dtype, device=generator.device)
    shifts = LENGTH * noise.to(probes.device)
    before = against.velocity(probes)
    changes = against.velocity(probes + shifts) - before
    slopes = changes.norm(dim=1) / shifts.norm(dim=1).clamp(min=1e-12)
    change = (against.velocity(probes + shifts[0]) - before).mean(0)
    slope = change.norm() / shifts[0].norm().clamp(min=1e-12)
    steepest = max(float(slopes.double().quantile(QUANTILE)) / ALONE**2, float(slope) / TOGETHER**2)
    return max(steepest, 1e-12) ** -0.5 if steepest > 0 else 1.0
