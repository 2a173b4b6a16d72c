"""Potentials and fields, ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)`` and ``∇ₓ uᵢ``, and quadratic and bilinear forms of measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import PromiseError
from interflow.kernels import Kernel
from interflow.sums.backends import FLOOR, Auto, Backend, Options, backend_key
from interflow.sums.backends.registry import pair_backend_of
from interflow.sums.diagonal import own_gradient, own_potential
from interflow.sums.formula import derive
from interflow.sums.known import requiring_gradient, with_known_gradient
from interflow.sums.pairsum import Prepared, SelfPairs
from interflow.sums.preparation import approximation_of, components_last, formula_name, one_component, prepare
from interflow.sums.primitive import pair_sum
from interflow.validation import can_read, check_cloud

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


def pair_potential(data: Prepared) -> Tensor:
    """The potential ``(batch, 1, N)``."""
    return _pair_sum(data, data.formula)


def pair_gradient(data: Prepared) -> Tensor:
    """The field ``(batch, d, N)``."""
    return _pair_sum(data, derive(data.formula, "row_gradient", data.axes))


def pair_potential_and_gradient(data: Prepared) -> tuple[Tensor, Tensor]:
    """Potential ``(batch, 1, N)`` and field ``(batch, d, N)`` in one pass."""
    both = _pair_sum(data, derive(data.formula, "with_row_gradient", data.axes))
    return both.narrow(1, 0, 1), both.narrow(1, 1, len(data.axes))


def _pair_sum(data: Prepared, formula: str) -> Tensor:
    columns = [data.y, data.weights]
    total: Tensor = pair_sum(formula, data.backend, data.skip_diagonal, [data.x], columns, [data.parameters])
    return total


def potential(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    check: bool = False,
) -> Tensor:
    """The potential ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)``.

    Differentiable to any order in both clouds, the weights and the kernel's parameters, at O(N + M) memory.

    Args:
        kernel: the kernel k.
        x: where the potential is wanted, ``(N, d)`` or ``(B, N, d)``, float32 or float64; half types are computed and
            returned in float32, with a warning.
        y: the points that make it, ``(M, d)`` or ``(B, M, d)``.
        weights: of the points y, of any sign, ``(M,)`` or ``(B, M)``; 1/M each by default.
        boundary: the domain; None for open space.
        self_pairs: False leaves out the pairs i = j, by index, with all of their images; ``"images"`` leaves out a
            particle itself and counts its own images, which differs only where all images count.
        backend: a name or an instance that carries options; ``"auto"`` takes the fastest.
        tolerance: the error that may be made, relative to ``‖u‖ + 0.01·√N·Σ|w|·sup|k|`` (of a field, with its own norm
            and ``sup|∇k|``); None for exact sums.
        check: compare the result with exact sums at 512 random points.

    Returns:
        ``(N,)`` or ``(B, N)``.

    Raises:
        ArgumentError: for arguments that do not fit, naming the argument.
        BackendError: if the named backend cannot do it, with the reason.
        KernelError: if the kernel's code is no formula of a pair.
        PromiseError: if the check finds an error over the tolerance.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> potential(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.ones(3, 2))
        tensor([0.3679])
    """
    data = prepare(kernel, x, y, weights, Options(boundary, self_pairs, backend, tolerance))
    total = potential_of(data)
    if check:
        check_promise(data, potential=total)
    return total[:, 0] if data.batched else total[0, 0]


def field(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    check: bool = False,
) -> Tensor:
    """The field ``∇ₓ uᵢ = Σⱼ wⱼ ∇ₓ k(xᵢ, yⱼ)``, shape ``(N, d)`` or ``(B, N, d)``; arguments as of `potential`.

    At coincident points it is 0 where the kernel has no gradient.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> field(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.ones(3, 2))
        tensor([[0.3679, 0.3679]])
    """
    data = prepare(kernel, x, y, weights, Options(boundary, self_pairs, backend, tolerance))
    slope = gradient_of(data)
    if check:
        check_promise(data, gradient=slope)
    return components_last(slope, data.batched)


def potential_and_field(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    check: bool = False,
) -> tuple[Tensor, Tensor]:
    """The potential and the field in one pass over the pairs; arguments as of `potential`.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> u, f = potential_and_field(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.ones(3, 2))
        >>> u.shape, f.shape
        (torch.Size([1]), torch.Size([1, 2]))
    """
    data = prepare(kernel, x, y, weights, Options(boundary, self_pairs, backend, tolerance))
    potential, slope = potential_and_gradient_of(data)
    if check:
        check_promise(data, potential=potential, gradient=slope)
    return potential[:, 0] if data.batched else potential[0, 0], components_last(slope, data.batched)


def potential_of(data: Prepared) -> Tensor:
    """The potential ``(batch, 1, N)``."""
    approximation = approximation_of(data, order=0)
    counted = approximation is not None
    total = pair_potential(data) if approximation is None else approximation.potential(data)
    return _with_own(total, own_potential(data, counted=counted), data)


def gradient_of(data: Prepared) -> Tensor:
    """The field ``(batch, d, N)``."""
    approximation = approximation_of(data, order=1)
    counted = approximation is not None
    slope = pair_gradient(data) if approximation is None else approximation.gradient(data)
    return _with_own(slope, own_gradient(data, counted=counted), data)


def potential_and_gradient_of(data: Prepared) -> tuple[Tensor, Tensor]:
    """Potential ``(batch, 1, N)`` and field ``(batch, d, N)`` in one pass."""
    approximation = approximation_of(data, order=1)
    counted = approximation is not None
    both = pair_potential_and_gradient(data) if approximation is None else approximation.potential_and_gradient(data)
    own = own_potential(data, counted=counted), own_gradient(data, counted=counted)
    return _with_own(both[0], own[0], data), _with_own(both[1], own[1], data)


def _with_own(total: Tensor, own: Tensor | None, data: Prepared) -> Tensor:
    """Sums with what the pairs i = j add, in the dtype of the positions."""
    return (total if own is None else total + own).to(data.x.dtype)


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
