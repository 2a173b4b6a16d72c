"""The classical Runge–Kutta method."""

from __future__ import annotations

from typing import final

from interflow.integrators.runge_kutta import ExplicitRungeKutta, Tableau


@final
class RungeKutta4(ExplicitRungeKutta):
    """``x ← wrap(x + h (k₁ + 2k₂ + 2k₃ + k₄)/6)``, of order 4 with four velocities a step (Kutta, 1901).

    Args:
        step_size: h, a time.
        learnable: make h an ``nn.Parameter``.

    Example:
        >>> RungeKutta4(step_size=0.1).tableau.c
        (0, 0.5, 0.5, 1.0)
    """

    tableau = Tableau(a=((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6), order=4)
