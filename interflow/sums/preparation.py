"""From what a user gives (a kernel, clouds, weights, a domain) to what the engine sums."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Hashable
from operator import index
from typing import Any, Final

import torch
from torch import Tensor

from interflow._torch_compat import constant_to_compilers, hide_opaque_functions
from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError, InterflowWarning
from interflow.kernels import Kernel
from interflow.kernels.images import ImageSum
from interflow.parameters import hyperparameters
from interflow.sums.backends import Approximation, Options, backend_key, backend_of
from interflow.sums.backends.base import MOST_WRITTEN_OUT
from interflow.sums.cache import BoundedCache, structure
from interflow.sums.formula import MAX_FORMULAS, Formula, named, register, weighted
from interflow.sums.images import image_sum, remember, watched
from interflow.sums.pairsum import Prepared
from interflow.sums.tracing import parameter_vector, trace_displacement, trace_kernel
from interflow.sums.vectors import VectorFormula, periods_of, weighted_radial
from interflow.validation import can_read, check_cloud, check_instance, check_same_space


def approximation_of(data: Prepared, order: int, highest: int | None = None) -> Approximation | None:
    """The backend that answers a `question` of the data without visiting every pair; None if all pairs are summed.

    Raises:
        BackendError: if the backend that was asked for cannot do it, with the reason.
    """
    backend = backend_of(data.backend)
    if not backend.reads_values(data.x, data.y):
        return None  # what an approximation promises depends on values
    return backend.approximation(data.question(order, highest))


def prepare(
    kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor | None, options: Options, *, weights_name: str = "weights"
) -> Prepared:
    """Check the arguments and lay them out; ``weights_name`` is what the caller calls the weights of y.

    Raises:
        ArgumentError: for what cannot be summed, naming the argument.
        KernelError: for a kernel whose code is no formula of a pair.
    """
    hide_opaque_functions()
    boundary = OpenBoundary() if options.boundary is None else options.boundary
    check_cloud(y, weights, names=("y", weights_name), batched=True)
    _check(kernel, boundary, x, y, options)
    dimension = index(x.shape[-1])  # a number also where a compiler takes shapes for symbols: it names the formula
    one_cloud = y is x
    x = boundary.fold(_in_full_precision(x))
    y = x if one_cloud else boundary.fold(_in_full_precision(y))
    weights, rows = _weights(y, weights), _components_first(x)
    backend = backend_key(options.backend)
    name = formula_name if backend_of(backend).needs_formula else untraced_name
    formula = name(kernel, boundary, dimension, x.dtype)
    parameters = parameter_vector(kernel, boundary, like=x)
    return Prepared(
        formula=formula,
        backend=backend,
        skip_diagonal=options.self_pairs is not True,
        own_images=options.self_pairs == "images",
        kernel=kernel,
        boundary=boundary,
        tolerance=options.tolerance,
        x=rows,
        y=rows if one_cloud else _components_first(y),
        weights=one_component(weights),
        parameters=watched(parameters, formula, boundary, dimension, x.dtype),
        batched=x.ndim == 3,
    )


def components_last(tensor: Tensor, batched: bool) -> Tensor:
    """From ``(batch, d, N)`` to ``(batch, N, d)`` or ``(N, d)``."""
    return tensor.mT if batched else tensor[0].mT


def _components_first(points: Tensor) -> Tensor:
    return points.mT if points.ndim == 3 else points.mT[None]


def one_component(values: Tensor) -> Tensor:
    """From ``(N,)`` or ``(B, N)`` to ``(batch, 1, N)``."""
    return values[:, None] if values.ndim == 2 else values[None, None]


def _weights(y: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return y.new_full(y.shape[:-1], 1.0 / max(y.shape[-2], 1))
    return weights.to(y.dtype)


def _in_full_precision(points: Tensor) -> Tensor:
    if points.dtype in (torch.float32, torch.float64):
        return points
    if not torch.compiler.is_compiling():
        warnings.warn(
            f"Pair sums of {points.dtype} positions are computed and returned in float32.", InterflowWarning, 4
        )
    return points.float()


def _check(kernel: Kernel, boundary: Boundary, x: Tensor, y: Tensor, options: Options) -> None:
    check_instance("kernel", kernel, Kernel)
    check_instance("boundary", boundary, Boundary)
    check_cloud(x, names=("x", "weights"), batched=True)
    check_same_space(x, y)
    boundary.check_dimension(x.shape[-1])
    if not (isinstance(options.self_pairs, bool) or options.self_pairs == "images"):
        raise ArgumentError("self_pairs", came=repr(options.self_pairs), wanted="True, False or 'images'")
    if options.self_pairs is not True and x.shape[-2] != y.shape[-2]:
        came = f"{options.self_pairs!r} with {x.shape[-2]} and {y.shape[-2]} points"
        raise ArgumentError("self_pairs", came=came, wanted="as many x as y")
    if options.tolerance is not None:
        _check_tolerance(options.tolerance, x.dtype)
    if can_read(x, y):
        _check_cutoff(kernel, boundary)


def _check_tolerance(tolerance: float, dtype: torch.dtype) -> None:
    least = 4 * torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    if not least <= tolerance < 1.0:
        remedy = "Take float64 positions, or None for exact sums." if 0.0 < tolerance < least else ""
        wanted = f"a number from {least:.0e}, the round-off of {dtype}, to 1; or None for exact sums"
        raise ArgumentError("tolerance", came=tolerance, wanted=wanted, remedy=remedy)


def _check_cutoff(kernel: Kernel, boundary: Boundary) -> None:
    cutoffs = [part.cutoff for part in kernel.modules() if isinstance(part, Kernel) and part.cutoff is not None]
    half = boundary.half_period() if cutoffs else None
    if half is None:
        return
    longest = max(float(cutoff.detach()) for cutoff in cutoffs)
    if longest > float(half):
        raise ArgumentError(
            "cutoff",
            came=f"{longest:g}",
            wanted=f"at most half of the period, {float(half):g}",
            remedy="Nearest images see each neighbour once only up to there: shorten the cutoff or enlarge the domain.",
        )


# --- names of formulas ------------------------------------------------------------------------------------------------

_names = BoundedCache[Hashable, tuple[str, Formula | VectorFormula]](MAX_FORMULAS)


@constant_to_compilers
def formula_name(
    kernel: Kernel,
    boundary: Boundary,
    dimension: int,
    dtype: torch.dtype = torch.float64,
    *,
    nearest: bool = False,
) -> str:
    """The name of ``w·k(x, y)``; traced once for all kernels of one structure, whatever their parameters.

    Where all images count, their number is part of the structure: it follows from parameters and dtype. With
    ``nearest`` the nearest image alone counts.
    """
    own = structure(kernel)
    images = None if nearest else image_sum(kernel, own, boundary, dimension, dtype)
    key = (own, structure(boundary), dimension, images)
    name, formula = _names.get_or_compute(key, lambda: named(_formula(kernel, boundary, dimension, images)))
    register(name, formula)
    if images is not None:
        remember(name, kernel, boundary, dimension, dtype, images)
    return name


@constant_to_compilers
def untraced_name(kernel: Kernel, boundary: Boundary, dimension: int, dtype: torch.dtype) -> str:
    """A name for all kernels and domains of one structure where no formula is wanted."""
    key = (structure(kernel), structure(boundary), dimension, dtype)
    return _untraced.get_or_compute(key, lambda: f"untraced-{next(_count)}")


_untraced = BoundedCache[Hashable, str](MAX_FORMULAS)
_count = itertools.count()


def _formula(
    kernel: Kernel, boundary: Boundary, dimension: int, images: ImageSum[Any] | None
) -> Formula | VectorFormula:
    """``w·k(x, y)`` in inner products, for many coordinates and a kernel of the distance; else in components."""
    parameters = sum(value.numel() for part in (kernel, boundary) for value in hyperparameters(part).values())
    radial = _radial(kernel, boundary, dimension, parameters) if images is None else None
    return radial or weighted(trace_kernel(kernel, boundary, dimension, images), dimension, parameters)


def _radial(kernel: Kernel, boundary: Boundary, dimension: int, parameters: int) -> VectorFormula | None:
    if dimension < MANY_COORDINATES:
        return None
    periods = periods_of(trace_displacement(kernel, boundary, dimension))
    if periods is None or (dimension <= MOST_WRITTEN_OUT and any(period is not None for period in periods)):
        return None  # where no matrix product serves, few components are faster written out
    return weighted_radial(trace_kernel(kernel, OpenBoundary(), 2), periods, parameters)


MANY_COORDINATES: Final = 8
"""Coordinates of a point from which on matrix products are worth while."""
