"""Potentials and fields: ``uᵢ = Σⱼ wⱼ k(xᵢ, yⱼ)`` and ``∇ₓ uᵢ``."""

from __future__ import annotations

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.backends import Backend, Options
from interflow.sums.checking import check_promise
from interflow.sums.diagonal import own_gradient, own_potential
from interflow.sums.pairs import pair_gradient, pair_potential, pair_potential_and_gradient
from interflow.sums.pairsum import Prepared, SelfPairs
from interflow.sums.preparation import approximation_of, components_last, prepare


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
