"""The interface of a backend: a way to carry out pair sums, exactly or within a tolerance; and the table of them.

An exact backend carries out any formula over all pairs (`Backend`, or `LoopBackend` for an inner loop alone). A fast
one (`FastBackend`) gives potentials and fields without visiting every pair, and promises an error:

    ``‖approximate − exact‖ ≤ tolerance · (‖exact‖ + 0.01·S)``,  ``S = √N · Σ|wⱼ| · sup|k|``  (``sup|∇k|`` for fields).

The promise is kept before anything is computed: whatever a backend can set, its modes and its precision, it sets so
that the absolute error stays under ``tolerance · 0.01 · S`` for any points and weights. No sum is repeated, and no
setting depends on a result.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import Final, Self, TypeVar

import torch
from torch import Tensor

from interflow._torch_compat import constant_to_compilers
from interflow.errors import ArgumentError, BackendError
from interflow.sums.autograd import EVALUATORS, attach_gradient, pair_sum
from interflow.sums.cache import ValueCache, value_key
from interflow.sums.diagonal import self_gradient, self_potential
from interflow.sums.formula import derive
from interflow.sums.pairsum import PairSum, needs_gradient
from interflow.sums.series import Series
from interflow.validation import can_read

FLOOR = 0.01
"""The part of the natural scale S that counts where the result itself nearly vanishes."""


class Backend(ABC):
    """A way to carry out pair sums. Instances are frozen dataclasses that carry the backend's options.

    A subclass has a name, says what it cannot do and what it costs, and carries out sums of any formula. What it does
    better than by these sums (a form of two measures, their distance) it overrides.

    Example:
        >>> from dataclasses import dataclass
        >>> from interflow import Dense, GaussianKernel, potential
        >>> @dataclass(frozen=True)
        ... class Loud(Backend):
        ...     name = "loud"
        ...     def unsupported_reason(self, pairs):
        ...         return None
        ...     def run_seconds(self, pairs):
        ...         return 1.0
        ...     def pair_sum(self, pairs):
        ...         print(pairs.row_count, "rows", pairs.column_count, "columns")
        ...         return Dense().pair_sum(pairs)
        >>> potential(GaussianKernel(sigma=1.0), torch.zeros(1, 2), torch.zeros(3, 2), backend=Loud())
        1 rows 3 columns
        tensor([1.])
    """

    name: str
    is_choice = False
    """Whether it chooses among others, and is none to choose from."""
    needs_formula = True
    """Whether it sums the formula of a pair over all pairs, so that the kernel's code must be one."""

    @abstractmethod
    def unsupported_reason(self, pairs: PairSum) -> str | None:
        """Return the reason why a sum cannot be carried out here; None if it can."""

    @abstractmethod
    def run_seconds(self, pairs: PairSum) -> float:
        """Predicted seconds for one sum."""

    def setup_seconds(self, pairs: PairSum) -> float:
        """Predicted seconds before the first sum, such as those of a compilation."""
        return 0.0

    def error_bound(self, pairs: PairSum) -> float:
        """The relative error that it guarantees; 0 for exact sums, right to round-off."""
        return 0.0

    def is_deterministic(self, pairs: PairSum) -> bool:
        """Whether it gives the same bits each time, on the device and the number of threads at hand."""
        return True

    def missing_option(self, dimension: int, tolerance: float | None) -> ArgumentError | None:
        """Return the error for an option that sums in so many dimensions need and lack; None if all is there."""
        return None

    def for_repeated_calls(self) -> Self:
        """A copy for whoever sums again and again, as energies and losses do."""
        return self

    def distance_tolerance(self, tolerance: float | None) -> float | None:
        """The tolerance of the three pair sums of a distance, for which it was asked within a tolerance."""
        return tolerance

    def select(self, pairs: PairSum) -> Backend:
        """Return the backend that gives a potential or a field: itself, unless it is a choice between others.

        Raises:
            BackendError: if this backend cannot answer, with the reason.
        """
        return self

    def resolve(self, pairs: PairSum) -> Backend:
        """Return the backend that carries out a sum of the operator: itself, unless it is a choice between others."""
        return self

    @abstractmethod
    def pair_sum(self, pairs: PairSum) -> Tensor:
        """``Σⱼ f_c(Aᵢ, Bⱼ, P)``, shape ``(batch, outputs, N)``; rows and columns come as one contiguous block each."""

    def potential(self, pairs: PairSum) -> Tensor:
        """``uᵢₑ = Σⱼ wⱼₑ k(xᵢ, yⱼ)``, shape ``(batch, E, N)``."""
        return with_self_pairs(_sum(pairs, pairs.formula), self_potential(pairs, counted=False), pairs)

    def gradient(self, pairs: PairSum) -> Tensor:
        """``∇ₓ uᵢₑ``, shape ``(batch, E·d, N)``, for each e all d components."""
        formula = derive(pairs.formula, "row_gradient", range(pairs.dimension))
        return with_self_pairs(_sum(pairs, formula), self_gradient(pairs, counted=False), pairs)

    def potential_and_gradient(self, pairs: PairSum) -> tuple[Tensor, Tensor]:
        """The potentials ``(batch, E, N)`` and their gradients ``(batch, E·d, N)`` in one pass."""
        potential, gradient = _value_and_gradient(pairs)
        return (
            with_self_pairs(potential, self_potential(pairs, counted=False), pairs),
            with_self_pairs(gradient, self_gradient(pairs, counted=False), pairs),
        )

    def quadratic_form(self, pairs: PairSum) -> Tensor:
        """``Σᵢⱼ wᵢ wⱼ k(xᵢ, xⱼ)``, ``(batch,)``, where rows and columns are the same points."""
        own = self_potential(pairs, counted=False)
        if own is not None:
            rest = self.quadratic_form(replace(pairs, self_pairs=False))
            return rest + (pairs.weights * own).sum((1, 2)).to(pairs.dtype)
        weights, parameters = pairs.weights, pairs.parameters[..., None]
        inputs = [pairs.x, weights, parameters]
        needed = needs_gradient(inputs)
        if not pairs.kernel.symmetric:
            return (weights * self.potential(pairs)).sum((1, 2))
        if not any(needed):
            return (weights * self._potential_of_pairs_once(pairs)).sum((1, 2))
        potential, gradient = _value_and_gradient(pairs) if needed[0] else (_sum(pairs, pairs.formula), weights)
        gradients = [2.0 * weights * gradient, 2.0 * potential]
        gradients.append(_by_parameters(pairs, weights) if needed[2] else parameters)
        return _tied((weights * potential).sum(-1, keepdim=True), inputs, gradients, needed)

    def bilinear_form(self, pairs: PairSum) -> Tensor:
        """``Σᵢⱼ aᵢ bⱼ k(xᵢ, yⱼ)``, ``(batch,)``, with a the weights of the rows."""
        weights, parameters = pairs.row_weights, pairs.parameters[..., None]
        assert weights is not None
        inputs = [pairs.x, weights, pairs.y, pairs.weights, parameters]
        needed = needs_gradient(inputs)
        if not any(needed):
            return (weights * self.potential(pairs)).sum((1, 2))
        potential, gradient = _value_and_gradient(pairs) if needed[0] else (_sum(pairs, pairs.formula), weights)
        by_columns = _by_columns(pairs, weights, needed[2], needed[3])
        by_parameters = _by_parameters(pairs, weights) if needed[4] else parameters
        gradients = [weights * gradient, potential, *by_columns, by_parameters]
        return _tied((weights * potential).sum(-1, keepdim=True), inputs, gradients, needed)

    def kernel_distance(
        self, pairs: PairSum, factors: Factors, self_pairs: bool, cache: ValueCache[Tensor] | None
    ) -> Tensor:
        """``κ Σ aᵢaⱼ k(xᵢ,xⱼ) + λ Σ bᵢbⱼ k(yᵢ,yⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)``, ``(batch,)``, by default from three sums.

        Equal clouds give 0 to the bit, since the three sums then run in the same order.

        Args:
            pairs: the rows x with weights a, and the columns y with weights b.
            factors: κ and λ, numbers or ``(batch,)``.
            self_pairs: whether i = j counts in the first two sums.
            cache: keeps the sum within y from one call to the next; None if it is summed each time.
        """
        total_y = cached_form(pairs.columns_alone(self_pairs), cache)
        total_x = quadratic_form(pairs.rows_alone(self_pairs))
        return factors[0] * total_x + factors[1] * total_y - 2.0 * bilinear_form(pairs)

    def distance_series(self, pairs: PairSum) -> Series | None:
        """The Fourier series on which two measures are compared within a tolerance; None if pairs are summed."""
        return None

    def _potential_of_pairs_once(self, pairs: PairSum) -> Tensor:
        """A ``v`` with ``Σ wᵢ vᵢ = Σ wᵢ uᵢ`` for a symmetric kernel and x = y, ``(batch, 1, N)``.

        Rows go in blocks, each against the columns from its own first one on. Those behind the block count twice, for
        the pairs that are left out.
        """
        size = pairs.row_count
        if size < _WORTH_HALVING or not can_read(pairs.x):
            return _sum(pairs, pairs.formula)
        whole = replace(pairs, backend=backend_key(self.resolve(pairs)))
        parts = []
        for start in range(0, size, -(-size // _BLOCKS)):
            stop = min(start + -(-size // _BLOCKS), size)
            weights = torch.cat([pairs.weights[..., start:stop], 2.0 * pairs.weights[..., stop:]], dim=-1)
            block = replace(whole, rows=(pairs.x[..., start:stop],), columns=(pairs.y[..., start:], weights))
            parts.append(_sum(block, pairs.formula))
        return torch.cat(parts, dim=-1)


Factors = tuple[Tensor | float, Tensor | float]
"""What the sums within x and within y of a distance are multiplied by."""

_BLOCKS: Final = 4
_WORTH_HALVING: Final = 4096


# --- sums by the backend that a `PairSum` names -----------------------------------------------------------------------


def potential(pairs: PairSum) -> Tensor:
    """The potentials ``(batch, E, N)``."""
    pairs = pairs.asked(order=0)
    return backend_of(pairs.backend).select(pairs).potential(pairs)


def gradient(pairs: PairSum) -> Tensor:
    """The fields ``(batch, E·d, N)``."""
    pairs = pairs.asked(order=1)
    return backend_of(pairs.backend).select(pairs).gradient(pairs)


def potential_and_gradient(pairs: PairSum) -> tuple[Tensor, Tensor]:
    """The potentials ``(batch, E, N)`` and the fields ``(batch, E·d, N)`` in one pass."""
    pairs = pairs.asked(order=1)
    return backend_of(pairs.backend).select(pairs).potential_and_gradient(pairs)


def quadratic_form(pairs: PairSum) -> Tensor:
    """``Σᵢⱼ wᵢ wⱼ k(xᵢ, xⱼ)``, ``(batch,)``, where rows and columns are the same points."""
    order = int(pairs.is_differentiated)
    pairs = pairs.asked(order, highest=order)
    return backend_of(pairs.backend).select(pairs).quadratic_form(pairs)


def bilinear_form(pairs: PairSum) -> Tensor:
    """``Σᵢⱼ aᵢ bⱼ k(xᵢ, yⱼ)``, ``(batch,)``."""
    order = int(pairs.is_differentiated)
    pairs = pairs.asked(order, highest=order)
    return backend_of(pairs.backend).select(pairs).bilinear_form(pairs)


def cached_form(pairs: PairSum, cache: ValueCache[Tensor] | None) -> Tensor:
    """Quadratic form ``(batch,)`` of one cloud, cached until its points, weights, kernel or boundary change."""
    fixed = None if cache is None else value_key(pairs.kernel, pairs.boundary)
    if cache is None or fixed is None:
        return quadratic_form(pairs)
    key = (fixed, pairs.backend, pairs.tolerance, pairs.self_pairs, pairs.batched)
    return cache.get_or_compute(pairs.y, pairs.weights, key=key, compute=lambda: quadratic_form(pairs))


def _sum(pairs: PairSum, formula: str) -> Tensor:
    total: Tensor = pair_sum(
        formula, pairs.backend, pairs.skip_diagonal, [*pairs.rows], [*pairs.columns], [pairs.parameters]
    )
    return total


def _value_and_gradient(pairs: PairSum) -> tuple[Tensor, Tensor]:
    both = _sum(pairs, pairs.value_and_gradient)
    count = pairs.weights.shape[1]
    return both.narrow(1, 0, count), both.narrow(1, count, count * pairs.dimension)


def with_self_pairs(total: Tensor, own: Tensor | None, pairs: PairSum) -> Tensor:
    """Add the contribution of the pairs i = j to sums, in the dtype of the positions."""
    return (total if own is None else total + own).to(pairs.dtype)


def _by_parameters(pairs: PairSum, weights: Tensor) -> Tensor:
    """``∂/∂p Σ aᵢ uᵢ``, shape ``(batch, k, 1)``."""
    formula = derive(pairs.formula, "vjp_parameters", range(pairs.parameters.shape[1]))
    total = _sum(replace(pairs, rows=(pairs.x, weights)), formula)
    return total.sum(-1, keepdim=True, dtype=torch.float64)


def _by_columns(pairs: PairSum, row_weights: Tensor, points: bool, weights: bool) -> list[Tensor]:
    """``∂/∂yⱼ`` and ``∂/∂bⱼ`` of ``Σ aᵢ uᵢ``, in one pass, those that are wanted."""
    if not points and not weights:
        return [pairs.y, pairs.weights]
    dimension = pairs.dimension
    wanted = [*(range(dimension) if points else ()), *((dimension,) if weights else ())]
    swapped = replace(pairs, rows=pairs.columns, columns=(pairs.x, row_weights))
    total = _sum(swapped, derive(pairs.formula, "vjp_columns", wanted))
    return [
        total.narrow(1, 0, dimension) if points else pairs.y,
        total.narrow(1, len(wanted) - 1, 1) if weights else pairs.weights,
    ]


def _tied(value: Tensor, inputs: list[Tensor], gradients: list[Tensor], needed: list[bool]) -> Tensor:
    """A value ``(batch, 1, 1)`` with the gradients that are needed, as ``(batch,)``."""
    chosen = [index for index, need in enumerate(needed) if need]
    tied: Tensor = attach_gradient(value, [inputs[index] for index in chosen], [gradients[index] for index in chosen])
    return tied[:, 0, 0]


# --- the table of backends --------------------------------------------------------------------------------------------

BACKENDS: Final[dict[str, type[Backend]]] = {}
"""The classes of backends by name, in the order in which `auto` looks at them."""

MAX_INSTANCES: Final = 1024
"""Backends with options of their own that are remembered by their keys: those that were named last."""

_instances: dict[str, Backend] = {}
_naming = threading.Lock()
BackendT = TypeVar("BackendT", bound=Backend)


def register_backend(backend: type[BackendT]) -> type[BackendT]:
    """Enter a class of backends under its name, which `backend=` then takes; `auto` chooses it where it predicts less.

    The class must have a default for each of its options. It can be used as a decorator.

    Raises:
        ArgumentError: for a name that another class has.
    """
    if BACKENDS.get(backend.name, backend) is not backend:
        raise ArgumentError("backend", came=repr(backend.name), wanted="a name that no other backend has")
    BACKENDS[backend.name] = backend
    EVALUATORS[backend.name] = _named[backend.name] = backend()
    return backend


_named: Final[dict[str, Backend]] = {}
"""The registered backends with their default options, by name."""


def candidates() -> tuple[Backend, ...]:
    """The backends with their default options, which `auto` chooses from."""
    return tuple(backend for backend in _named.values() if not backend.is_choice)


@constant_to_compilers
def backend_key(backend: str | Backend) -> str:
    """The key of a backend given by name or as an instance: the name, where its options are the default ones."""
    if isinstance(backend, str):
        if backend not in _named:
            raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(_named)}, or an instance")
        return backend
    if not isinstance(backend, Backend):
        raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(_named)}, or an instance")
    try:
        key = _key_of_equal(backend)
    except TypeError:  # an option that cannot be hashed
        key = _key_of(backend)
    if key not in _named:
        _remember(key, backend)
    return key


def _remember(key: str, backend: Backend) -> None:
    with _naming:
        _instances.pop(key, None)
        _instances[key] = EVALUATORS[key] = backend  # the latest one comes last
        while len(_instances) > MAX_INSTANCES:
            oldest = next(iter(_instances))
            del _instances[oldest], EVALUATORS[oldest]


def _key_of(backend: Backend) -> str:
    """A key of the values of a backend's options; of one whose options cannot be pickled, of the object itself."""
    kind = type(backend)
    if BACKENDS.get(backend.name) is kind and backend == _named[backend.name]:
        return backend.name
    try:
        values = pickle.dumps((kind.__module__, kind.__qualname__, sorted(vars(backend).items())))
    except (pickle.PicklingError, AttributeError, TypeError):
        return f"{backend.name}@{id(backend)}"
    return f"{backend.name}-{hashlib.sha256(values).hexdigest()[:16]}"


_key_of_equal = lru_cache(maxsize=1024)(_key_of)


def backend_of(key: str) -> Backend:
    """The backend of a key."""
    backend = _named.get(key) or _instances.get(key)
    if backend is None:
        raise BackendError(f"The backend {key} was forgotten after {MAX_INSTANCES} others; name it again.")
    return backend


def for_repeated_calls(backend: str | Backend) -> Backend:
    """The backend for whoever sums again and again, as energies and losses do."""
    return backend_of(backend_key(backend)).for_repeated_calls()
