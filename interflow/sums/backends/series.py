"""What the backends by Fourier series share: settings from the tolerance, and sums from analysis and synthesis."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from interflow.boundaries import Boundary
from interflow.errors import ArgumentError, BackendError
from interflow.kernels import Kernel
from interflow.parameters import hyperparameters
from interflow.sums.autograd import note_backend
from interflow.sums.backends.base import FLOOR
from interflow.sums.backends.fast import FastBackend, tolerance_needed, weights_reason
from interflow.sums.pairsum import PairSum
from interflow.sums.series import Cloud, Demand, Limit, Series, Settings, Transform, UnsuitableError, settle
from interflow.sums.series.modes import Modes
from interflow.sums.series.settings import coefficients, constant_mode, derivative_bound
from interflow.sums.series.torus import Box
from interflow.validation import can_read


class SeriesBackend(FastBackend):
    """A backend that sums ``uᵢ = Σₖ cₖ ŵₖ exp(i ωₖ·xᵢ)``. A subclass says by which transform, and at what cost."""

    @abstractmethod
    def transform(self, settings: Settings) -> Transform:
        """What carries out sums over modes and points.

        Raises:
            UnsuitableError: if it cannot reach the precision.
        """

    @abstractmethod
    def unavailable_reason(self, device: str) -> str | None:
        """What this device, or the installation for it, lacks; None if nothing."""

    @abstractmethod
    def seconds(self, pairs: PairSum, settings: Settings, count: int) -> float:
        """Predicted seconds of one analysis at y and ``count`` real syntheses at x."""

    def missing_option(self, dimension: int, tolerance: float | None) -> ArgumentError | None:
        return tolerance_needed(self.name) if tolerance is None else None

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        missing = self.unavailable_reason(pairs.device) or weights_reason(pairs)
        if missing is not None:
            return missing
        if not can_read(pairs.x, pairs.y):
            return "what it promises depends on values, which cannot be read inside torch.compile or torch.func"
        if pairs.boundary.periods(pairs.dimension).requires_grad:
            return "it has no derivatives by the periods of the domain"
        try:
            self.transform(settings_of(pairs))
        except UnsuitableError as reason:
            return str(reason)
        return None

    def run_seconds(self, pairs: PairSum) -> float:
        try:
            settings = settings_of(pairs)
        except UnsuitableError:
            return math.inf
        return pairs.batch * self.seconds(pairs, settings, 1 + pairs.dimension if pairs.order else 1)

    def potential_of_all(self, pairs: PairSum) -> Tensor:
        sums = _Sums.of(self, pairs)
        return sums.series.potential(sums.rows, sums.spectrum, sums.mass)

    def gradient_of_all(self, pairs: PairSum) -> Tensor:
        sums = _Sums.of(self, pairs)
        return sums.series.gradient(sums.rows, sums.spectrum, sums.mass)

    def potential_and_gradient_of_all(self, pairs: PairSum) -> tuple[Tensor, Tensor]:
        sums = _Sums.of(self, pairs)
        both = sums.series.potential_and_gradient(sums.rows, sums.spectrum, sums.mass)
        return both[:, :1], both[:, 1:]

    def distance_series(self, pairs: PairSum) -> Series | None:
        self.select(pairs)
        series = self.series(pairs, of_distance=True)
        note_backend(self.name)
        return series

    def series(self, pairs: PairSum, *, of_distance: bool = False) -> Series:
        """The kernel's series for what is asked; and for the distance of two measures, as in `interflow.sums.spectra`.

        Raises:
            BackendError: if there is none, with the reason.
        """
        try:
            settings = settings_of_distance(pairs) if of_distance else settings_of(pairs)
            transform = self.transform(settings)
            limit = _limit(pairs, settings) if pairs.highest else None
            return Series(_coefficients(pairs, settings.modes), settings.modes, transform, settings.errors, limit)
        except UnsuitableError as reason:
            raise BackendError(f"The backend {self.name} cannot run this sum: {reason}.") from None


@dataclass(frozen=True)
class _Sums:
    """The series of a kernel with a measure analysed, and the points at which it is wanted."""

    pairs: PairSum
    series: Series
    rows: Cloud
    spectrum: Tensor

    @classmethod
    def of(cls, backend: SeriesBackend, pairs: PairSum) -> _Sums:
        series = backend.series(pairs)
        columns = series.cloud(pairs.y)
        rows = columns.moved_to(pairs.x) if _same(pairs.x, pairs.y) else series.cloud(pairs.x)
        return cls(pairs, series, rows, series.spectrum(columns, pairs.weights))

    @property
    def mass(self) -> Tensor:
        """``Σ|wⱼ|``, ``(batch,)``."""
        return self.pairs.weights.detach().double().abs().sum((1, 2))


def _same(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors are views of the same numbers, so that what is prepared for one serves the other."""
    return x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride() and x.dtype == y.dtype


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_of(pairs: PairSum) -> Settings:
    """The modes and the precision for what is asked, of the potential, and of the field where that is wanted too.

    Raises:
        UnsuitableError: if no series can answer it, with the reason.
    """
    return _settings(pairs, _demands(pairs))


def settings_of_distance(pairs: PairSum) -> Settings:
    """The same, for the distance of two measures as well, whose scale is c₀.

    Raises:
        UnsuitableError: if no series can answer it, with the reason.
    """
    demands = _demands(pairs)
    tolerance, supremum = _tolerance(pairs), demands[0].error / (FLOOR * _tolerance(pairs))
    constant = constant_mode(pairs.kernel, _settings(pairs, demands).modes.lengths) or supremum
    exponentials = tolerance * math.sqrt(0.2 * FLOOR * constant * supremum)
    return _settings(pairs, (*demands, Demand(0, 0.5 * FLOOR * tolerance * constant, exponentials)))


def _settings(pairs: PairSum, demands: tuple[Demand, ...]) -> Settings:
    kernel, boundary = pairs.kernel, pairs.boundary
    values, share = _values(kernel) + _values(boundary), FLOOR * _tolerance(pairs)
    is_open = bool(boundary.periods(pairs.dimension).isinf().any())
    box = _box(pairs) if is_open else ((0.0,) * pairs.dimension,) * 2
    found = _settled(
        _Problem(pairs.formula, values, pairs.dimension, box, demands, pairs.highest, share, kernel, boundary)
    )
    if isinstance(found, str):
        raise UnsuitableError(found)
    return found


def _values(module: Kernel | Boundary) -> tuple[float, ...]:
    """All hyperparameters of a kernel or a domain, as numbers."""
    tensors = hyperparameters(module).values()
    return tuple(number for tensor in tensors for number in tensor.detach().reshape(-1).tolist())


def _tolerance(pairs: PairSum) -> float:
    if pairs.tolerance is None:
        raise UnsuitableError("it approximates, and no tolerance was given")
    return pairs.tolerance


def _demands(pairs: PairSum) -> tuple[Demand, ...]:
    """Of the potential, and of the field where it is wanted."""
    return tuple(_demand(pairs, order) for order in range(pairs.order + 1))


def _demand(pairs: PairSum, order: int) -> Demand:
    tolerance, supremum = _tolerance(pairs), pairs.kernel.supremum(order, pairs.dimension)
    if not supremum:
        what = "gradient" if order else "value"
        raise UnsuitableError(f"the kernel's largest {what} is not known, and with it the scale of the tolerance")
    return Demand(order, FLOOR * tolerance * supremum)


@dataclass(frozen=True)
class _Problem:
    """All that settings depend on; the formula stands for the classes of kernel and boundary."""

    formula: str
    values: tuple[float, ...]
    dimension: int
    box: Box
    demands: tuple[Demand, ...]
    highest: int
    share: float
    kernel: Kernel = field(compare=False)
    boundary: Boundary = field(compare=False)


@lru_cache(maxsize=256)
def _settled(problem: _Problem) -> Settings | str:
    kernel, demands = problem.kernel, problem.demands
    try:
        settings = settle(kernel, problem.boundary, problem.dimension, lambda: problem.box, demands)
        if problem.highest > 1:
            further = Demand(2, problem.share * derivative_bound(kernel, settings.modes, 2))
            settings = settle(kernel, problem.boundary, problem.dimension, lambda: problem.box, (*demands, further))
        return settings
    except UnsuitableError as reason:
        return str(reason)


def _limit(pairs: PairSum, settings: Settings) -> Limit:
    return Limit(pairs.kernel, settings.modes, len(settings.errors) - 1, FLOOR * _tolerance(pairs))


_MOST_KEPT = 2**23
"""Modes whose coefficients are kept from one sum to the next: 64 MB."""


def _coefficients(pairs: PairSum, modes: Modes) -> Tensor:
    """cₖ on the modes; those of the last kernels that no gradient is wanted of are kept."""
    kernel, device = pairs.kernel, pairs.x.device
    if modes.count > _MOST_KEPT or any(tensor.requires_grad for tensor in hyperparameters(kernel).values()):
        return coefficients(kernel, modes, device)
    return _kept_coefficients(_Expansion(pairs.formula, _values(kernel), modes, device, kernel))


@dataclass(frozen=True)
class _Expansion:
    """All that coefficients depend on; the formula stands for the class of the kernel."""

    formula: str
    values: tuple[float, ...]
    modes: Modes
    device: torch.device
    kernel: Kernel = field(compare=False)


@lru_cache(maxsize=2)
@torch.inference_mode(False)  # a tensor of that mode could not serve a sum that wants gradients
def _kept_coefficients(expansion: _Expansion) -> Tensor:
    return coefficients(expansion.kernel, expansion.modes, expansion.device)


_STEPS = 32
"""Steps in the extent of a box to which its corners are rounded."""


def _box(pairs: PairSum) -> Box:
    """The box of both clouds, a little larger: so settings stay the same while the points move a little."""
    if 0 in (pairs.batch, pairs.row_count, pairs.column_count):
        return (0.0,) * pairs.dimension, (0.0,) * pairs.dimension
    lower, upper = pairs.box
    extent = max(high - low for low, high in zip(lower, upper, strict=True))
    if not (math.isfinite(extent) and extent > 0.0):
        return lower, upper
    step = 2.0 ** math.floor(math.log2(extent)) / _STEPS
    return (
        tuple(math.floor(low / step) * step for low in lower),
        tuple(math.ceil(high / step) * step for high in upper),
    )


def threads() -> int:
    """Threads that share the work on a CPU."""
    return torch.get_num_threads()
