"""Quadratic and bilinear forms of measures, ``Σ aᵢ bⱼ k(xᵢ, yⱼ)``, with their gradients from the same pass."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.api import potential_of
from interflow.sums.backends import Backend, Options, backend_key
from interflow.sums.backends.registry import pair_backend_of
from interflow.sums.diagonal import own_potential
from interflow.sums.formula import derive
from interflow.sums.known import requiring_gradient, with_known_gradient
from interflow.sums.pairs import pair_potential, pair_potential_and_gradient
from interflow.sums.pairsum import Prepared, SelfPairs
from interflow.sums.preparation import approximation_of, one_component, prepare
from interflow.sums.primitive import pair_sum
from interflow.validation import can_read, check_cloud


def quadratic(
    kernel: Kernel,
    x: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
) -> Tensor:
    """``Σᵢⱼ wᵢ wⱼ k(xᵢ, xⱼ)``, a scalar or ``(B,)``; arguments as of `interflow.sums.potential`.

    For a symmetric kernel the gradients by points and weights, ``2 wᵢ ∇uᵢ`` and ``2 uᵢ``, come from the same pass.

    Example:
        >>> from interflow import GaussianKernel
        >>> quadratic(GaussianKernel(sigma=1.0), torch.zeros(3, 2))
        tensor(1.)
    """
    return quadratic_of(prepare(kernel, x, x, weights, Options(boundary, self_pairs, backend, tolerance)))


def quadratic_of(data: Prepared) -> Tensor:
    """`quadratic` of data whose rows and columns are the same points."""
    own = own_potential(data, counted=False)
    if own is not None:
        rest = quadratic_of(replace(data, own_images=False))
        return rest + _scalar((data.weights * own).sum(-1, keepdim=True).to(data.x.dtype), data)
    masses, parameters = data.weights, data.parameters[..., None]
    inputs = [data.x, masses, parameters]
    needed = requiring_gradient(inputs)
    order = int(needed[0])
    if not data.kernel.symmetric or approximation_of(data, order, highest=order) is not None:
        return _scalar((masses * potential_of(data)).sum(-1, keepdim=True), data)
    if not any(needed):
        return _scalar((masses * _potential_of_pairs_once(data)).sum(-1, keepdim=True), data)
    potential, slope = pair_potential_and_gradient(data) if needed[0] else (pair_potential(data), masses)
    gradients = [2.0 * masses * slope, 2.0 * potential]
    gradients.append(_by_parameters(data, masses) if needed[2] else parameters)
    return _known((masses * potential).sum(-1, keepdim=True), inputs, gradients, needed, data)


def _potential_of_pairs_once(data: Prepared) -> Tensor:
    """A ``v`` with ``Σ wᵢ vᵢ = Σ wᵢ uᵢ`` for a symmetric kernel and x = y, ``(batch, 1, N)``.

    Rows go in blocks, each against the columns from its own first one on. Those behind the block count twice, for the
    pairs that are left out.
    """
    size = data.x.shape[2]
    if not can_read(data.x) or size < _WORTH_HALVING:
        return pair_potential(data)
    backend = backend_key(pair_backend_of(data.backend).choose(data.question(0).shape))
    parts = []
    for start in range(0, size, -(-size // _BLOCKS)):
        stop = min(start + -(-size // _BLOCKS), size)
        weights = torch.cat([data.weights[..., start:stop], 2.0 * data.weights[..., stop:]], dim=-1)
        rows, columns = [data.x[..., start:stop]], [data.y[..., start:], weights]
        parts.append(pair_sum(data.formula, backend, data.skip_diagonal, rows, columns, [data.parameters]))
    return torch.cat(parts, dim=-1)


_BLOCKS = 4
_WORTH_HALVING = 4096


def bilinear(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
) -> Tensor:
    """``Σᵢⱼ aᵢ bⱼ k(xᵢ, yⱼ)``, a scalar or ``(B,)``; the gradient by the rows comes from the same pass.

    Example:
        >>> from interflow import GaussianKernel
        >>> bilinear(GaussianKernel(sigma=1.0), torch.zeros(3, 2), torch.zeros(5, 2))
        tensor(1.)
    """
    if kernel.symmetric and requiring_gradient([x, y]) == [False, True]:
        x, y, x_weights, y_weights = y, x, y_weights, x_weights  # the rows are those whose gradient is wanted
    options = Options(boundary, True, backend, tolerance)
    data = prepare(kernel, x, y, y_weights, options, weights_name="y_weights")
    return bilinear_of(data, row_weights(data, x, x_weights))


def bilinear_of(data: Prepared, masses: Tensor) -> Tensor:
    """`bilinear` of data, with the weights of the rows, ``(batch, 1, N)``."""
    parameters = data.parameters[..., None]
    inputs = [data.x, masses, data.y, data.weights, parameters]
    needed = requiring_gradient(inputs)
    order = int(needed[0] or needed[2])
    if not any(needed) or approximation_of(data, order, highest=order) is not None:
        return _scalar((masses * potential_of(data)).sum(-1, keepdim=True), data)
    potential, slope = pair_potential_and_gradient(data) if needed[0] else (pair_potential(data), masses)
    by_columns = _by_columns(data, masses, needed[2], needed[3])
    by_parameters = _by_parameters(data, masses) if needed[4] else parameters
    gradients = [masses * slope, potential, *by_columns, by_parameters]
    return _known((masses * potential).sum(-1, keepdim=True), inputs, gradients, needed, data)


def row_weights(data: Prepared, x: Tensor, weights: Tensor | None) -> Tensor:
    """The weights of the rows, ``(batch, 1, N)``."""
    if weights is None:
        return data.x.new_full((data.x.shape[0], 1, data.x.shape[2]), 1.0 / max(data.x.shape[2], 1))
    check_cloud(x, weights, names=("x", "x_weights"), batched=True)
    return one_component(weights.to(data.x.dtype))


def _known(value: Tensor, inputs: list[Tensor], gradients: list[Tensor], needed: list[bool], data: Prepared) -> Tensor:
    chosen = [index for index, need in enumerate(needed) if need]
    tied: Tensor = with_known_gradient(
        value, [inputs[index] for index in chosen], [gradients[index] for index in chosen]
    )
    return _scalar(tied, data)


def _scalar(value: Tensor, data: Prepared) -> Tensor:
    return value[:, 0, 0] if data.batched else value[0, 0, 0]


def _by_parameters(data: Prepared, masses: Tensor) -> Tensor:
    """``∂/∂p Σ aᵢ uᵢ``, shape ``(batch, k, 1)``."""
    formula = derive(data.formula, "parameters", range(data.parameters.shape[1]))
    rows, columns = [data.x, masses], [data.y, data.weights]
    total: Tensor = pair_sum(formula, data.backend, data.skip_diagonal, rows, columns, [data.parameters])
    return total.sum(-1, keepdim=True, dtype=torch.float64)


def _by_columns(data: Prepared, masses: Tensor, points: bool, weights: bool) -> list[Tensor]:
    """``∂/∂yⱼ`` and ``∂/∂bⱼ`` of ``Σ aᵢ uᵢ``, in one pass, those that are wanted."""
    if not points and not weights:
        return [data.y, data.weights]
    dimension = data.y.shape[1]
    wanted = [*(range(dimension) if points else ()), *((dimension,) if weights else ())]
    formula = derive(data.formula, "columns", wanted)
    total = pair_sum(
        formula, data.backend, data.skip_diagonal, [data.y, data.weights], [data.x, masses], [data.parameters]
    )
    return [
        total.narrow(1, 0, dimension) if points else data.y,
        total.narrow(1, len(wanted) - 1, 1) if weights else data.weights,
    ]
