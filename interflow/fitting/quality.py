"""How good a fit is, by measures that it did not descend, on points that it never saw.

The sliced Wasserstein distance ``SW₂² = E_θ W₂²(θ·x, θ·y)`` over unit vectors θ (Rabin, Peyré, Delon and Bernot, 2012),
with ``W₂² = ∫₀¹ (F⁻¹ − G⁻¹)²`` on a line; and W₂ itself, by an exact solver.
"""

from __future__ import annotations

import io
import math
import warnings
from contextlib import redirect_stdout

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.validation import check_cloud, check_not_empty, check_same_space

MOST_POINTS = 5_000
"""Points of either cloud for which W₂ is computed exactly."""


@torch.no_grad()
def sliced_w2(
    x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None, directions: int = 64
) -> float:
    """SW₂ between two clouds, in the units of the positions; the directions are the same at every call.

    Args:
        x: ``(N, d)``.
        y: ``(M, d)``.
        x_weights: ``(N,)``, of any mass; None for equal ones.
        y_weights: ``(M,)``, of any mass; None for equal ones.
        directions: how many; in the plane equally spaced.

    Example:
        >>> round(sliced_w2(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])), 6)  # 5 / √2
        3.535534
    """
    for cloud, weights, name in ((x, x_weights, "x"), (y, y_weights, "y")):
        check_cloud(cloud, weights, names=(name, f"{name}_weights"))
        check_not_empty(cloud, name)
    check_same_space(x, y)
    x_shares, y_shares = _shares(x, x_weights), _shares(y, y_weights)
    centre = y.double().mean(0)  # far from the origin, projections would lose digits
    x, y = x.double() - centre, y.double() - centre
    squares = [
        _squared_w2(x @ theta, y @ theta, x_shares, y_shares)
        for theta in _directions(x.shape[1], directions).to(x.device)
    ]
    return math.sqrt(sum(squares) / len(squares))


def exact_w2(x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> float | None:
    """W₂ between two clouds, by the network simplex of POT; None where POT is not installed.

    Args:
        x: ``(N, d)``.
        y: ``(M, d)``.
        x_weights: ``(N,)``, of any mass; None for equal ones.
        y_weights: ``(M,)``, of any mass; None for equal ones.

    Raises:
        ArgumentError: for more than 5 000 points, for which it takes too long.
    """
    for cloud, name in ((x, "x"), (y, "y")):
        if len(cloud) > MOST_POINTS:
            raise ArgumentError(name, came=f"{len(cloud)} points", wanted=f"at most {MOST_POINTS}")
    from scipy.spatial.distance import cdist

    try:
        # POT imports KeOps where it is installed, which prints; and Python warns of its source where it compiles that
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ot
    except ImportError:
        return None
    points = (cloud.detach().cpu().double().numpy() for cloud in (x, y))
    costs = cdist(*points, "sqeuclidean")  # of differences: |x|² − 2xy + |y|² cancels far from the origin
    shares = [_shares(cloud, weights).cpu().numpy() for cloud, weights in ((x, x_weights), (y, y_weights))]
    return math.sqrt(float(ot.emd2(*shares, costs, numItermax=10_000_000)))


def _shares(points: Tensor, weights: Tensor | None) -> Tensor:
    masses = points.new_ones(len(points), dtype=torch.float64) if weights is None else weights.double()
    return masses / masses.sum()


def _squared_w2(x: Tensor, y: Tensor, x_shares: Tensor, y_shares: Tensor) -> float:
    """On a line: both quantile functions are constant between the levels at which one of them jumps."""
    x, x_order = x.sort()
    y, y_order = y.sort()
    x_levels, y_levels = x_shares[x_order].cumsum(0), y_shares[y_order].cumsum(0)
    levels = torch.cat([x_levels, y_levels]).sort().values.clamp(max=1.0)
    widths = levels.diff(prepend=levels.new_zeros(1))
    middles = levels - 0.5 * widths
    quantiles_x = x[torch.searchsorted(x_levels, middles).clamp(max=len(x) - 1)]
    quantiles_y = y[torch.searchsorted(y_levels, middles).clamp(max=len(y) - 1)]
    return float(widths @ (quantiles_x - quantiles_y).square())


def _directions(dimension: int, count: int) -> Tensor:
    """``(count, d)`` unit vectors, float64; one in d = 1."""
    if dimension == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if dimension == 2:
        angles = (torch.arange(count, dtype=torch.float64) + 0.5) * (math.pi / count)
        return torch.stack([angles.cos(), angles.sin()], dim=1)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    units: Tensor = vectors / vectors.norm(dim=1, keepdim=True)
    return units
