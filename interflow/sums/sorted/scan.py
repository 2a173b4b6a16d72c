"""Running sums over sorted points that neither overflow nor cancel.

At the sorted points ``z₀ ≤ z₁ ≤ …`` with ``tᵢ = λzᵢ`` and weights w the state of order m is

    ``A_m(i) = Σ_{l ≤ i} wₗ (tᵢ − tₗ)ᵐ e^{−(tᵢ − tₗ)}``,

or the same without the exponential. States are carried forward from t to ``t + h`` by the binomial formula,
``A_m ← e⁻ʰ Σ_q C(m, q) hᵐ⁻ᑫ A_q``, with ``h = λ(z' − z) ≥ 0`` from the positions themselves: only differences of points
ever occur, so that nothing overflows, whatever λ, and neither an offset of all points nor a far one costs the others
digits. This is a linear recurrence; the parallel prefix sum of Brent and Kung (1982) runs it in O(N) operations and
O(log N) steps, and its round-off grows as log N.
"""

from __future__ import annotations

from math import comb
from typing import Final

import torch
from torch import Tensor

States = list[Tensor]

_BLOCK: Final = 1024


def carried(states: States, step: Tensor, decaying: bool) -> States:
    """States ``(batch, channels, n)`` carried forward by steps ``h ≥ 0``, ``(batch, 1, n)``."""
    result = []
    for order, state in enumerate(states):
        total = state
        for lower in range(order):
            total = total + comb(order, lower) * step ** (order - lower) * states[lower]
        result.append(total)
    if not decaying:
        return result
    decay = (-step).exp()
    return [decay * state for state in result]


def running(positions: Tensor, rate: Tensor, weights: Tensor, degree: int, decaying: bool) -> States:
    """``A_0, …, A_degree`` at the sorted positions ``(batch, 1, K)``, of weights ``(batch, channels, K)``."""
    if degree == 0 and not decaying:
        return [cumulative(weights)]
    return _scanned(positions, rate, [weights, *(torch.zeros_like(weights) for _ in range(degree))], decaying)


def _scanned(positions: Tensor, rate: Tensor, states: States, decaying: bool) -> States:
    """Of neighbours, the first is carried to the second and added; these sums, half as many, are scanned likewise."""
    count = positions.shape[-1]
    if count < 2:
        return states
    even, odd, half = positions[..., 0::2], positions[..., 1::2], count // 2
    firsts = [state[..., 0::2] for state in states]
    brought = carried([state[..., :half] for state in firsts], rate * (odd - even[..., :half]), decaying)
    pairs = [state[..., 1::2] + other for state, other in zip(states, brought, strict=True)]
    at_odd = _scanned(odd, rate, pairs, decaying)
    rest = even.shape[-1] - 1
    step = rate * (even[..., 1:] - odd[..., :rest])
    brought = carried([state[..., :rest] for state in at_odd], step, decaying)
    result = [torch.empty_like(state) for state in states]
    for out, first, second, other in zip(result, firsts, at_odd, brought, strict=True):
        out[..., 0] = first[..., 0]
        out[..., 1::2] = second
        out[..., 2::2] = first[..., 1:] + other
    return result


def cumulative(values: Tensor) -> Tensor:
    """Cumulative sums over the last axis by blocks, whose round-off grows as the square root of their number."""
    count = values.shape[-1]
    whole = count // _BLOCK * _BLOCK
    if whole < 2 * _BLOCK:
        return values.cumsum(-1)
    within = values[..., :whole].unflatten(-1, (-1, _BLOCK)).cumsum(-1)
    before = within[..., -1].cumsum(-1)
    within[..., 1:, :] += before[..., :-1, None]
    rest = before[..., -1:] + values[..., whole:].cumsum(-1)
    return torch.cat([within.flatten(-2), rest], -1)
