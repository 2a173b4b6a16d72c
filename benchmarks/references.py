"""Exact sums in float64, by their closed forms, for some rows and all columns.

The Gaussian ``k = exp(−r²/2σ²)`` on the unit torus, with ``δ`` the nearest image:

- potential ``Σⱼ wⱼ k``
- field ``−Σⱼ wⱼ k δ / σ²``
- Hessian ``Σⱼ wⱼ k (δ δᵀ/σ⁴ − 1/σ²) vᵢⱼ``
- field of all images, of ``k = Πₐ θ(δₐ)`` with ``θ(δ) = Σₙ exp(−(δ + n)²/2σ²)``

and the energy distance ``2 ⟨|x − y|⟩ − ⟨|x − x'|⟩ − ⟨|y − y'|⟩``. None of this calls interflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

PAIRS_AT_ONCE = 1_000_000
REACH = 11.2
"""Past so many σ a Gaussian is under 1e-27."""


def gaussian_potential(rows: Tensor, columns: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """``(R,)`` for ``rows`` ``(R, d)``, ``columns`` ``(N, d)`` and ``weights`` ``(N,)``."""
    weights = weights.double()

    def block(chosen: Tensor) -> Tensor:
        return torch.mv(_gaussian(_nearest_image(chosen, columns), sigma), weights)

    return _by_blocks(block, rows, len(columns))


def gaussian_field(rows: Tensor, columns: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """``(R, d)``, arguments as for `gaussian_potential`."""
    weights = weights.double()

    def block(chosen: Tensor) -> Tensor:
        delta = _nearest_image(chosen, columns)
        return torch.einsum("ij,ijd->id", _gaussian(delta, sigma) * weights, delta) / -(sigma**2)

    return _by_blocks(block, rows, len(columns))


def gaussian_field_of_all_images(rows: Tensor, columns: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """``(R, d)``, arguments as for `gaussian_potential`."""
    weights, shells = weights.double(), math.ceil(REACH * sigma - 0.5)

    def block(chosen: Tensor) -> Tensor:
        nearest = _nearest_image(chosen, columns)
        images = [nearest + n for n in range(-shells, shells + 1)]
        gaussians = [(image.square() / (-2 * sigma**2)).exp() for image in images]
        theta = torch.stack(gaussians).sum(0)
        slope = torch.stack([image * gaussian for image, gaussian in zip(images, gaussians, strict=True)]).sum(0)
        axes = range(rows.shape[-1])
        sums = [torch.stack([(slope if a == b else theta)[..., b] for b in axes]).prod(0) @ weights for a in axes]
        return torch.stack(sums, dim=-1) / -(sigma**2)

    return _by_blocks(block, rows, len(columns))


def gaussian_hessian(
    rows: Tensor, columns: Tensor, weights: Tensor, sigma: float, row_vectors: Tensor, column_vectors: Tensor
) -> Tensor:
    """``(R, d)``, the Hessian applied to ``vᵢⱼ = row_vectorsᵢ − column_vectorsⱼ``."""
    weights, columns_of_v = weights.double(), column_vectors.double()

    def block(chosen: Tensor) -> Tensor:
        chosen_rows, rows_of_v = chosen.chunk(2, dim=1)
        delta = _nearest_image(chosen_rows, columns)
        mass = _gaussian(delta, sigma) * weights
        v = rows_of_v[:, None, :].double() - columns_of_v
        along = (delta * v).sum(-1) / sigma**4
        return torch.einsum("ij,ijd->id", mass * along, delta) - torch.einsum("ij,ijd->id", mass, v) / sigma**2

    return _by_blocks(block, torch.cat([rows, row_vectors], dim=1), len(columns))


def energy_distance(x: Tensor, y: Tensor) -> float:
    """The value, over all pairs."""

    def mean_distance(a: Tensor, b: Tensor) -> float:
        def block(chosen: Tensor) -> Tensor:
            delta = chosen[:, None, :].double() - b.double()
            return torch.sqrt(delta.square().sum(-1)).sum(1)

        return float(_by_blocks(block, a, len(b)).sum()) / (len(a) * len(b))

    return 2 * mean_distance(x, y) - mean_distance(x, x) - mean_distance(y, y)


def energy_distance_gradient(rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``(R, d)``, the gradient of the energy distance in those of ``x``'s points that ``rows`` holds."""

    def mean_direction(columns: Tensor) -> Tensor:
        def block(chosen: Tensor) -> Tensor:
            delta = chosen[:, None, :].double() - columns.double()
            return torch.nn.functional.normalize(delta, dim=-1, eps=1e-300).mean(1)

        return _by_blocks(block, rows, len(columns))

    return 2 * (mean_direction(y) - mean_direction(x)) / len(x)


def _nearest_image(rows: Tensor, columns: Tensor) -> Tensor:
    delta = rows[:, None, :].double() - columns.double()
    return delta - delta.round()


def _gaussian(delta: Tensor, sigma: float) -> Tensor:
    return (delta.square().sum(-1) / (-2 * sigma**2)).exp()


def _by_blocks(function: Callable[[Tensor], Tensor], rows: Tensor, columns: int) -> Tensor:
    blocks = torch.split(rows, max(1, PAIRS_AT_ONCE // max(1, columns)))
    return torch.cat([function(block) for block in blocks])
