"""Heun's method."""

from __future__ import annotations

from typing import final

from interflow.integrators.runge_kutta import ExplicitRungeKutta, Tableau


@final
class Heun(ExplicitRungeKutta):
    """``x ← wrap(x + h (k₁ + k₂)/2)`` with ``k₁ = v(x)``, ``k₂ = v(x + h k₁)``, of order 2 (Heun, 1900).

    Args:
        step_size: h, a time.
        learnable: make h an ``nn.Parameter``.

    Example:
        >>> Heun(step_size=0.01).tableau.order
        2
    """

    tableau = Tableau(a=((), (1.0,)), b=(1 / 2, 1 / 2), order=2)
