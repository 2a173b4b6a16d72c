"""Potentials and fields, ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)`` and ``∇ₓ uᵢ``, and quadratic and bilinear forms of measures."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import PromiseError
from interflow.kernels import Kernel
from interflow.sums.backends import FLOOR, Backend, backend_key, backend_of
from interflow.sums.backends import base as by_pairs
from interflow.sums.backends.base import Factors
from interflow.sums.cache import ValueCache
from interflow.sums.formula import formula_name
from interflow.sums.pairsum import PairSum, SelfPairs, needs_gradient, weights_row
from interflow.sums.series import Series
from interflow.validation import check_cloud

TARGETS = 512
"""Points at which sums are compared."""

_ROUND_OFF = {torch.float32: 1e-6, torch.float64: 1e-12}
"""The error of exact sums, in the same sense."""


@torch.no_grad()
def check_promise(pairs: PairSum, potential: Tensor | None = None, gradient: Tensor | None = None) -> None:
    """Compare ``(batch, E, N)`` potentials or ``(batch, E·d, N)`` fields with exact sums at random points.

    Raises:
        PromiseError: if the error is over the tolerance, with both.
    """
    chosen = torch.randperm(pairs.x.shape[2], generator=torch.Generator().manual_seed(0))[:TARGETS]
    chosen = chosen.to(pairs.x.device)
    columns = torch.arange(pairs.y.shape[2], device=pairs.y.device)
    if pairs.skip_diagonal:  # by index: the partners of the chosen points come first
        is_other = torch.ones_like(columns, dtype=torch.bool).index_fill(0, chosen, False)
        columns = torch.cat([chosen, columns[is_other]])
    exact = replace(
        pairs,
        formula=formula_name(
            pairs.kernel, pairs.boundary, pairs.x.shape[1], torch.float64, weights=pairs.weights.shape[1]
        ),
        backend="auto",
        rows=(pairs.x[..., chosen].double(),),
        columns=(pairs.y[..., columns].double(), pairs.weights[..., columns].double()),
        tolerance=None,
    )
    if potential is not None:
        _compare("potential", potential[..., chosen], by_pairs.potential(exact), pairs, 0)
    if gradient is not None:
        _compare("field", gradient[..., chosen], by_pairs.gradient(exact), pairs, 1)


def _compare(name: str, came: Tensor, exact: Tensor, pairs: PairSum, order: int) -> None:
    tolerance = _ROUND_OFF[pairs.x.dtype] if pairs.tolerance is None else pairs.tolerance
    supremum = pairs.kernel.supremum(order, pairs.x.shape[1]) or 0.0
    scale = exact.shape[2] ** 0.5 * pairs.weights.double().abs().sum((1, 2)) * supremum
    error = torch.linalg.vector_norm(came.double() - exact, dim=(1, 2))
    allowed = tolerance * (torch.linalg.vector_norm(exact, dim=(1, 2)) + FLOOR * scale)
    worst = int((error / allowed.clamp(min=torch.finfo(torch.float64).tiny)).argmax())
    if not bool((error <= allowed).all()):
        raise PromiseError(
            f"The {name} is off by {error[worst]:.1e} at {exact.shape[2]} of the points, and a tolerance of "
            f"{tolerance:.1e} allows {allowed[worst]:.1e}. Please report it; backend='dense' sums exactly."
        )


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
        weights: of the points y, of any sign, ``(M,)`` or ``(B, M)``; 1/M each by default. With as many axes as y,
            ``(M, E)`` or ``(B, M, E)``, they are vectors, for E potentials in one pass: the product ``K·w``.
        boundary: the domain; None for open space.
        self_pairs: False leaves out the pairs i = j, by index, with all of their images; ``"images"`` leaves out a
            particle itself and counts its own images, which differs only where all images count.
        backend: a name or an instance that carries options; ``"auto"`` takes the fastest.
        tolerance: the error that may be made, relative to ``‖u‖ + 0.01·√N·Σ|w|·sup|k|`` (of a field, with its own norm
            and ``sup|∇k|``); None for exact sums.
        check: compare the result with exact sums at 512 random points.

    Returns:
        ``(N,)`` or ``(B, N)``; with vectors for weights ``(N, E)`` or ``(B, N, E)``.

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
    pairs = prepare(
        kernel, x, y, weights, boundary=boundary, self_pairs=self_pairs, backend=backend, tolerance=tolerance
    )
    total = by_pairs.potential(pairs)
    if check:
        check_promise(pairs, potential=total)
    return pairs.as_potential(total)


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

    With vectors for weights there are E fields, ``(N, E, d)`` or ``(B, N, E, d)``. At coincident points a field is 0
    where the kernel has no gradient.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> field(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.ones(3, 2))
        tensor([[0.3679, 0.3679]])
    """
    pairs = prepare(
        kernel, x, y, weights, boundary=boundary, self_pairs=self_pairs, backend=backend, tolerance=tolerance
    )
    gradient = by_pairs.gradient(pairs)
    if check:
        check_promise(pairs, gradient=gradient)
    return pairs.as_field(gradient)


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
    pairs = prepare(
        kernel, x, y, weights, boundary=boundary, self_pairs=self_pairs, backend=backend, tolerance=tolerance
    )
    potential, gradient = by_pairs.potential_and_gradient(pairs)
    if check:
        check_promise(pairs, potential=potential, gradient=gradient)
    return pairs.as_potential(potential), pairs.as_field(gradient)


def quadratic(
    kernel: Kernel,
    x: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    cache: ValueCache[Tensor] | None = None,
) -> Tensor:
    """``Σᵢⱼ wᵢ wⱼ k(xᵢ, xⱼ)``, a scalar or ``(B,)``; arguments as of `interflow.sums.potential`.

    With a cache it is kept while the points, the weights and the kernel stay.
    For a symmetric kernel the gradients by points and weights, ``2 wᵢ ∇uᵢ`` and ``2 uᵢ``, come from the same pass.

    Example:
        >>> from interflow import GaussianKernel
        >>> quadratic(GaussianKernel(sigma=1.0), torch.zeros(3, 2))
        tensor(1.)
    """
    pairs = prepare(
        kernel,
        x,
        x,
        weights,
        boundary=boundary,
        self_pairs=self_pairs,
        backend=backend,
        tolerance=tolerance,
        accepts_vectors=False,
    )
    return pairs.per_cloud(by_pairs.cached_form(pairs, cache))


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
    if kernel.symmetric and needs_gradient([x, y]) == [False, True]:
        x, y, x_weights, y_weights = y, x, y_weights, x_weights  # the rows are those whose gradient is wanted
    pairs = prepare_form(kernel, x, y, x_weights, y_weights, boundary=boundary, backend=backend, tolerance=tolerance)
    return pairs.per_cloud(by_pairs.bilinear_form(pairs))


def kernel_distance(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    *,
    factors: Factors = (1.0, 1.0),
    self_pairs: bool = True,
    boundary: Boundary | None = None,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    cache: ValueCache[Tensor] | None = None,
) -> Tensor:
    """``‖Σ aᵢ δ_{xᵢ} − Σ bⱼ δ_{yⱼ}‖²`` in the norm of a symmetric kernel, a scalar or ``(B,)``.

    Arguments as of `bilinear`; the sums within x and within y are multiplied by the factors, and leave out i = j
    without `self_pairs`. With a cache the sum within y is kept while y, its weights and the kernel stay.

    Example:
        >>> from interflow import GaussianKernel
        >>> kernel_distance(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.ones(1, 2))
        tensor(1.2642)
    """
    pairs = prepare_form(kernel, x, y, x_weights, y_weights, boundary=boundary, backend=backend, tolerance=tolerance)
    return pairs.per_cloud(backend_of(pairs.backend).kernel_distance(pairs, factors, self_pairs, cache))


def distance_series(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    *,
    boundary: Boundary | None,
    backend: str | Backend,
    tolerance: float,
    of_velocity: bool = False,
) -> Series | None:
    """The series on which measures at x and at y are compared within a tolerance of their distance; None for pair sums.

    A distance may be differentiated once, its velocity as well if that is what is wanted.

    Raises:
        BackendError: if a series was asked for that cannot do it, with the reason.
    """
    pairs = prepare(kernel, x, y, None, boundary=boundary, backend=backend, tolerance=tolerance)
    pairs = pairs.asked(order=1, highest=None if of_velocity else 1)
    return backend_of(pairs.backend).distance_series(pairs)


def prepare(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    self_pairs: SelfPairs = True,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
    weights_name: str = "weights",
    accepts_vectors: bool = True,
) -> PairSum:
    """The checked `PairSum` of a public call; arguments as of `potential`."""
    key = backend_key(backend)
    return PairSum.of(
        kernel,
        x,
        y,
        weights,
        boundary=boundary,
        self_pairs=self_pairs,
        backend=key,
        needs_formula=backend_of(key).needs_formula,
        tolerance=tolerance,
        weights_name=weights_name,
        accepts_vectors=accepts_vectors,
    )


def prepare_form(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None,
    y_weights: Tensor | None,
    *,
    boundary: Boundary | None,
    backend: str | Backend,
    tolerance: float | None,
) -> PairSum:
    """The checked `PairSum` of a form of two measures; arguments as of `bilinear`."""
    pairs = prepare(
        kernel,
        x,
        y,
        y_weights,
        boundary=boundary,
        backend=backend,
        tolerance=tolerance,
        weights_name="y_weights",
        accepts_vectors=False,
    )
    check_cloud(x, x_weights, names=("x", "x_weights"), batched=True)
    return replace(pairs, row_weights=weights_row(x_weights, x).to(pairs.dtype))
