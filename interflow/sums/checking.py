"""Whether a promised error was kept: a comparison with exact sums at some of the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from interflow.errors import PromiseError
from interflow.sums.backends import FLOOR, Auto, backend_key
from interflow.sums.diagonal import own_gradient, own_potential
from interflow.sums.pairs import pair_gradient, pair_potential
from interflow.sums.pairsum import Prepared
from interflow.sums.preparation import formula_name

TARGETS = 512
"""Points at which sums are compared."""

_ROUND_OFF = {torch.float32: 1e-6, torch.float64: 1e-12}
"""The error of exact sums, in the same sense."""


@torch.no_grad()
def check_promise(data: Prepared, potential: Tensor | None = None, gradient: Tensor | None = None) -> None:
    """Compare ``(batch, 1, N)`` potentials or ``(batch, d, N)`` fields with exact sums at random points.

    Raises:
        PromiseError: if the error is over the tolerance, with both.
    """
    chosen = torch.randperm(data.x.shape[2], generator=torch.Generator().manual_seed(0))[:TARGETS]
    chosen = chosen.to(data.x.device)
    columns = torch.arange(data.y.shape[2], device=data.y.device)
    if data.skip_diagonal:  # by index: the partners of the chosen points come first
        is_other = torch.ones_like(columns, dtype=torch.bool).index_fill(0, chosen, False)
        columns = torch.cat([chosen, columns[is_other]])
    exact = replace(
        data,
        formula=formula_name(data.kernel, data.boundary, data.x.shape[1], torch.float64),
        backend=backend_key(Auto()),
        x=data.x[..., chosen].double(),
        y=data.y[..., columns].double(),
        weights=data.weights[..., columns].double(),
    )
    if potential is not None:
        _compare("potential", potential[..., chosen], _sum(pair_potential(exact), own_potential, exact), data, 0)
    if gradient is not None:
        _compare("field", gradient[..., chosen], _sum(pair_gradient(exact), own_gradient, exact), data, 1)


def _sum(total: Tensor, own: Callable[..., Tensor | None], exact: Prepared) -> Tensor:
    of_pairs = own(exact, counted=False)
    return total if of_pairs is None else total + of_pairs


def _compare(name: str, came: Tensor, exact: Tensor, data: Prepared, order: int) -> None:
    tolerance = _ROUND_OFF[data.x.dtype] if data.tolerance is None else data.tolerance
    supremum = data.kernel.supremum(order, data.x.shape[1]) or 0.0
    scale = exact.shape[2] ** 0.5 * data.weights.double().abs().sum((1, 2)) * supremum
    error = torch.linalg.vector_norm(came.double() - exact, dim=(1, 2))
    allowed = tolerance * (torch.linalg.vector_norm(exact, dim=(1, 2)) + FLOOR * scale)
    worst = int((error / allowed.clamp(min=torch.finfo(torch.float64).tiny)).argmax())
    if not bool((error <= allowed).all()):
        raise PromiseError(
            f"The {name} is off by {error[worst]:.1e} at {exact.shape[2]} of the points, and a tolerance of "
            f"{tolerance:.1e} allows {allowed[worst]:.1e}. Please report it; backend='dense' sums exactly."
        )
