"""Boundaries for tests of laws, all of two axes or of any number."""

from __future__ import annotations

import torch

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary

BOUNDARIES: dict[str, Boundary] = {
    "open": OpenBoundary(),
    "unit torus": PeriodicBoundary(1.0),
    "shifted torus": PeriodicBoundary(0.7, lower=-0.3),
    "long torus": PeriodicBoundary(torch.tensor([3.0, 0.1]), lower=torch.tensor([100.0, -0.05])),
    "box": ReflectingBoundary(0.0, 1.0),
    "long box": ReflectingBoundary(torch.tensor([-1.3, 100.0]), torch.tensor([0.7, 100.3])),
    "torus of all images": PeriodicBoundary(2.0, lower=1.0, images="all"),
    "channel": ProductBoundary([PeriodicBoundary(0.7, lower=0.1), OpenBoundary()]),
    "slab": ProductBoundary([ReflectingBoundary(-1.0, 2.0), PeriodicBoundary(3.0)]),
}
BOUNDED = {name: boundary for name, boundary in BOUNDARIES.items() if name not in ("open", "channel")}


def corners(boundary: Boundary, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Lower and upper corner in a dtype; the upper one belongs to a reflecting axis and not to a periodic one."""
    if isinstance(boundary, ProductBoundary):
        lower, upper = zip(*(corners(axis, dtype) for axis in boundary.axes), strict=True)
        return torch.stack(lower), torch.stack(upper)
    if isinstance(boundary, ReflectingBoundary):
        return boundary.lower.to(dtype), boundary.upper.to(dtype)
    assert isinstance(boundary, PeriodicBoundary)
    return boundary.lower.to(dtype), (boundary.lower + boundary.lengths).to(dtype)


def scattered(count: int, seed: int, scale: float = 10.0) -> torch.Tensor:
    """Points of the plane, most of them outside of every domain."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, 2, dtype=torch.float64, generator=generator)
