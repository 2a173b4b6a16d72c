"""The box that a page draws: the domain, as far as it ends, and room for the points where it does not."""

from __future__ import annotations

import numpy as np

from interflow.boundaries import Extent
from interflow.views.page.packing import Cloud

Box = tuple[Cloud, Cloud]
"""Lower and upper corner, each ``(d,)``."""
MARGIN = 0.02


def box_around(extent: Extent, lowest: Cloud, highest: Cloud, *, room: float = MARGIN) -> Box:
    """A box around all that lies between two points.

    An axis has the ends of the domain, if those are finite and nothing lies beyond them; else there is room beside the
    points, in parts of their extent. No axis is without length.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> box_around(PeriodicBoundary(1.0).extent(2), np.array([0.2, 0.3]), np.array([0.7, 0.6]))
        (array([0., 0.]), array([1., 1.]))
    """
    axes = len(lowest)
    ends = (corner[:axes].double().numpy() for corner in (extent.lower, extent.upper))
    (begin, end), length = ends, highest - lowest
    longest = float(length.max(initial=0.0)) or 1.0
    beside = np.where(length > 0.0, room * length, 0.05 * longest)
    lower = np.where(np.isfinite(begin) & (begin <= lowest), begin, lowest - beside)
    upper = np.where(np.isfinite(end) & (end >= highest), end, highest + beside)
    return lower, upper


def in_words(extent: Extent, lower: Cloud, upper: Cloud) -> str:
    """The box on all axes, such as ``[0, 1) × [−2, 3]``, and which of its ends are those of the domain."""
    periodic = extent.periodic.tolist()[: len(lower)]
    spans = [
        f"[{begin:.4g}, {end:.4g}{')' if closed else ']'}"
        for begin, end, closed in zip(lower.tolist(), upper.tolist(), periodic, strict=True)
    ]
    if len(set(spans)) == 1 and len(spans) > 1:
        spans = [spans[0] + " ²³"[len(spans) - 1]]
    ended = np.isfinite(extent.lower.numpy()) & np.isfinite(extent.upper.numpy())
    kind = "periodic" if all(periodic) else "periodic on some axes" if any(periodic) else ""
    kind = kind or ("the domain" if ended.all() else "around the points; the domain is open")
    return f"{' × '.join(spans)}, {kind}".replace("-", "−")
