"""The choice of a backend."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Self

from torch import Tensor

from interflow.errors import ArgumentError, BackendError
from interflow.sums.backends.base import BACKENDS, Backend, Factors, candidates, register_backend
from interflow.sums.cache import BoundedCache, ValueCache
from interflow.sums.pairsum import PairSum
from interflow.sums.series import Series
from interflow.validation import can_read

MIN_DIRECT_SECONDS: Final = 3e-4
"""If sums over all pairs are predicted to take less, `auto` asks for nothing faster."""

_FEW_PAIRS: Final = 1 << 12
"""Pairs up to which `auto` asks for nothing faster, whatever is predicted."""


@register_backend
@dataclass(frozen=True)
class Auto(Backend):
    """The backend with the least predicted time among those that can run a sum and promise its tolerance.

    The choice depends on sizes, parameters and the domain, and on the points only through the box that they fill, so
    that a program chooses alike every time it runs.

    Args:
        repetitions: how many sums of this kind are expected, within which a compilation must pay for itself; None for
            1, or 200 where an energy or a loss sums.
        deterministic: leave out whatever does not give the same bits each time, such as `nufft` on CUDA.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Auto(deterministic=True))
        tensor([1., 1.])
    """

    repetitions: int | None = None
    deterministic: bool = False
    name = "auto"
    is_choice = True

    def __post_init__(self) -> None:
        if self.repetitions is not None and self.repetitions < 1:
            raise ArgumentError("repetitions", came=self.repetitions, wanted="a positive whole number, or None")

    def unsupported_reason(self, pairs: PairSum) -> str | None:
        return None

    def run_seconds(self, pairs: PairSum) -> float:
        return self.resolve(pairs).run_seconds(pairs)

    def for_repeated_calls(self) -> Self:
        return self if self.repetitions else replace(self, repetitions=200)

    def distance_tolerance(self, tolerance: float | None) -> float | None:
        return None  # sums within a tolerance of their own scale may be far outside one of the distance's

    def resolve(self, pairs: PairSum) -> Backend:
        size = (
            len(BACKENDS),
            pairs.summed_formula,
            pairs.batch,
            pairs.row_count,
            pairs.column_count,
            pairs.dtype,
            pairs.device,
        )
        return _choices.get_or_compute((self, size), lambda: self._cheapest_loop(pairs))

    def select(self, pairs: PairSum) -> Backend:
        if pairs.pairs < _FEW_PAIRS or not can_read(pairs.x, pairs.y):
            return self
        seconds = self._amortised_seconds(self.resolve(pairs), pairs)
        if seconds < MIN_DIRECT_SECONDS:
            return self
        able = [backend for backend in candidates() if not backend.needs_formula and self._is_able(backend, pairs)]
        best = min(able, key=lambda backend: self._amortised_seconds(backend, pairs), default=None)
        return self if best is None or self._amortised_seconds(best, pairs) >= seconds else best

    def pair_sum(self, pairs: PairSum) -> Tensor:
        return self.resolve(pairs).pair_sum(pairs)

    def kernel_distance(
        self, pairs: PairSum, factors: Factors, self_pairs: bool, cache: ValueCache[Tensor] | None
    ) -> Tensor:
        if not can_read(pairs.x, pairs.y):
            return super().kernel_distance(pairs, factors, self_pairs, cache)
        order = int(pairs.is_differentiated)
        asked = pairs.asked(order, highest=order)
        chosen = self.select(asked)
        if chosen is self:
            chosen = self.resolve(asked)
        return chosen.kernel_distance(pairs, factors, self_pairs, cache)

    def distance_series(self, pairs: PairSum) -> Series | None:
        chosen = self.select(pairs)
        try:
            return None if chosen is self else chosen.distance_series(pairs)
        except BackendError:
            return None

    def _cheapest_loop(self, pairs: PairSum) -> Backend:
        able = [backend for backend in candidates() if backend.needs_formula]
        able = [backend for backend in able if backend.unsupported_reason(pairs) is None]
        return min(able, key=lambda backend: self._amortised_seconds(backend, pairs))

    def _is_able(self, backend: Backend, pairs: PairSum) -> bool:
        return (
            backend.error_bound(pairs) <= (pairs.tolerance or 0.0)
            and (backend.is_deterministic(pairs) or not self.deterministic)
            and backend.unsupported_reason(pairs) is None
        )

    def _amortised_seconds(self, backend: Backend, pairs: PairSum) -> float:
        """Predicted seconds of a sum, the preparation shared among the repetitions."""
        return backend.setup_seconds(pairs) / (self.repetitions or 1) + backend.run_seconds(pairs)


_choices = BoundedCache[Hashable, Backend](4096)
"""The exact backends that were chosen, by what their predictions depend on."""
