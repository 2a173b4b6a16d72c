"""The pairs i = j, apart from all others: a particle with itself, and with its own images.

A backend that visits pairs leaves out i = j with all images; one that does not has counted them. What is added to its
sums follows from the nearest image, ``k(δᵢ)``, and the others, ``Σ_{n≠0} k(δᵢ + nL)``, with ``δᵢ = δ(xᵢ, yᵢ)``:

    ============  ==========  ==========================
    self_pairs    visited     counted
    ============  ==========  ==========================
    True          nothing     nothing
    False         nothing     − nearest − others
    "images"      + others    − nearest
    ============  ==========  ==========================

Of a cloud with itself δᵢ is 0 wherever the points are, and both are numbers that follow from parameters and periods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from interflow._torch_compat import constant_to_compilers
from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.kernels.images import ImageSum
from interflow.sums.autograd import pair_sum
from interflow.sums.cache import structure
from interflow.sums.formula import derive, formula_name
from interflow.sums.images import image_sum
from interflow.sums.pairsum import PairSum


def self_potential(pairs: PairSum, *, counted: bool) -> Tensor | None:
    """What the pairs i = j add to potentials, ``(batch, E, N)``; None for nothing.

    Args:
        pairs: what is summed.
        counted: whether the sums that it is added to have counted these pairs, whatever `pairs` say.
    """
    if not pairs.skip_diagonal:
        return None
    value = _nearest(pairs) if counted else None
    others = _others(pairs) if counted != (pairs.self_pairs == "images") else None
    if others is not None:
        value = _sum(value, others(_own_displacement(pairs)))
    return _weighted(value, pairs, -1.0 if counted else 1.0)


def self_gradient(pairs: PairSum, *, counted: bool) -> Tensor | None:
    """What they add to fields, ``(batch, E·d, N)``, likewise."""
    if not pairs.skip_diagonal or (pairs.is_one_cloud and pairs.kernel.symmetric):
        return None  # the gradient of an even sum at 0
    slope = _nearest(pairs, gradient=True) if counted else None
    others = _others(pairs) if counted != (pairs.self_pairs == "images") else None
    if others is not None:
        slope = _sum(slope, torch.func.grad(lambda displacement: others(displacement).sum())(_own_displacement(pairs)))
    return _weighted(slope, pairs, -1.0 if counted else 1.0)


def _nearest(pairs: PairSum, *, gradient: bool = False) -> Tensor:
    """``k(δᵢ)`` or its gradient, in float64: N sums of one pair, which differentiate as those of all pairs do."""
    if pairs.is_one_cloud and not gradient:
        at_zero = pairs.kernel.at_zero(pairs.x.shape[1])
        assert at_zero is not None  # backends that count a pair of equal points have a finite kernel
        return at_zero.to(pairs.x.device).view(1, 1, 1)
    x, y = (points.double().mT.flatten(0, 1)[..., None] for points in (pairs.x, pairs.y))
    formula = formula_name(pairs.kernel, pairs.boundary, pairs.x.shape[1], torch.float64, nearest=True)
    formula = derive(formula, "row_gradient", range(pairs.dimension)) if gradient else formula
    columns = [y, torch.ones_like(y[:, :1])]
    total: Tensor = pair_sum(formula, "dense", False, [x], columns, [pairs.parameters])
    by_point: Tensor = total.unflatten(0, (pairs.x.shape[0], pairs.x.shape[2]))
    return by_point[..., 0].mT


def _others(pairs: PairSum) -> Callable[[Tensor], Tensor] | None:
    """From displacements ``(batch, d, n)`` to ``Σ_{n≠0} k(δ + nL)``, ``(batch, 1, n)``; None without other images."""
    periods = pairs.boundary.image_periods(pairs.x.shape[1])
    images = _images(pairs.kernel, pairs.boundary, pairs.x.shape[1], pairs.x.dtype)
    if periods is None or images is None:
        return None
    lengths = periods.to(pairs.x.device).unbind()
    return lambda displacement: images.others(pairs.kernel, displacement.unbind(1), lengths)[:, None]


@constant_to_compilers
def _images(kernel: Kernel, boundary: Boundary, dimension: int, dtype: torch.dtype) -> ImageSum[Any] | None:
    return image_sum(kernel, structure(kernel), boundary, dimension, dtype)


def _own_displacement(pairs: PairSum) -> Tensor:
    """δᵢ, ``(batch, d, N)`` in float64; one for all where it is 0."""
    if pairs.is_one_cloud:
        return pairs.x.new_zeros(1, pairs.x.shape[1], 1, dtype=torch.float64)
    partners = pairs.y[..., : pairs.x.shape[2]]
    return pairs.boundary.displacement(pairs.x.double().mT, partners.double().mT).mT


def _sum(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else a + b


def _weighted(value: Tensor | None, pairs: PairSum, sign: float) -> Tensor | None:
    if value is None:
        return None
    weights = sign * pairs.weights[..., : pairs.x.shape[2]]
    return (weights[:, :, None] * value[:, None]).flatten(1, 2)
