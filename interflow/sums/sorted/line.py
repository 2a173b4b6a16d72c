"""Pair sums on the line and on the circle, term by term of the kernel, over points that are sorted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from interflow.sums.sorted.forms import SortedForm
from interflow.sums.sorted.function import Plan, SortedSum
from interflow.sums.sorted.order import Order
from interflow.sums.sorted.profile import Profile, Term
from interflow.sums.sorted.sides import Circle


@dataclass(frozen=True, eq=False)
class Line:
    """The sums ``uᵢ = Σⱼ wⱼ k(xᵢ − yⱼ)`` of a kernel with terms, exact up to round-off; all of it in float64.

    Attributes:
        terms: of the kernel.
        order: of the points.
        circle: the circle that they are on; None for the line.
        x: ``(batch, N)``.
        y: ``(batch, M)``.
        weights: ``(batch, 1, M)``.
    """

    terms: list[Term]
    order: Order
    circle: Circle | None
    x: Tensor
    y: Tensor
    weights: Tensor

    @classmethod
    def of(cls, terms: list[Term], circle: Circle | None, x: Tensor, y: Tensor, weights: Tensor) -> Line:
        """The sums of clouds ``(batch, 1, N)`` and ``(batch, 1, M)``, with weights ``(batch, 1, M)``."""
        rows, columns = x.detach()[:, 0], y.detach()[:, 0]
        if circle is not None:
            same = rows.is_set_to(columns)
            rows = circle.wrapped(rows)
            columns = rows if same else circle.wrapped(columns)
        return cls(terms, Order.of(rows, columns), circle, x[:, 0].double(), y[:, 0].double(), weights.double())

    def potential(self) -> Tensor:
        """u, ``(batch, 1, N)``."""
        return self._total(lambda term, rate: term.scale * self._sum(term.profile, rate))

    def gradient(self) -> Tensor:
        """``u'``, ``(batch, 1, N)``."""
        return self._total(lambda term, rate: term.scale * rate * self._sum(term.profile.derivative(), rate))

    def form(self) -> Tensor:
        """``Σᵢⱼ wᵢ wⱼ k(xᵢ − xⱼ)``, ``(batch,)``, where the rows are the columns."""

        def of_term(term: Term, rate: Tensor) -> Tensor:
            value: Tensor = SortedForm.apply(self._plan(term.profile), self.x, self.weights, rate)
            return term.scale * value

        return self._total(of_term)

    def _total(self, of_term: Callable[[Term, Tensor], Tensor]) -> Tensor:
        total = of_term(self.terms[0], self._rate(self.terms[0]))
        for term in self.terms[1:]:
            total = total + of_term(term, self._rate(term))
        return total

    def _sum(self, profile: Profile, rate: Tensor) -> Tensor:
        total: Tensor = SortedSum.apply(self._plan(profile), self.x, self.y, self.weights, rate)
        return total

    def _plan(self, profile: Profile) -> Plan:
        return Plan(self.order, (profile,), self.circle)

    def _rate(self, term: Term) -> Tensor:
        rate = torch.ones(()) if term.rate is None else term.rate
        return rate.to(self.x.device, torch.float64)
