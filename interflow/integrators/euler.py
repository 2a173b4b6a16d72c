"""Euler's method."""

from __future__ import annotations

from typing import final

from interflow.integrators.runge_kutta import ExplicitRungeKutta, Tableau


@final
class Euler(ExplicitRungeKutta):
    """``x ← wrap(x + h v(x))``, of order 1 (Euler, 1768): explicit gradient descent of the energy.

    Args:
        step_size: h, a time.
        learnable: make h an ``nn.Parameter``.

    Example:
        >>> Euler(step_size=1 / 200).step_size.item()
        0.005
    """

    tableau = Tableau(a=((),), b=(1.0,), order=1)
