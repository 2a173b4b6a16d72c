"""The integrators: one method a file."""

from interflow.integrators.adaptive import AdaptiveRungeKutta
from interflow.integrators.base import Dynamics, Integrator
from interflow.integrators.euler import Euler
from interflow.integrators.euler_maruyama import EulerMaruyama
from interflow.integrators.heun import Heun
from interflow.integrators.momentum import Momentum
from interflow.integrators.nesterov import Nesterov
from interflow.integrators.optimizer import NamedOptimizer, Optimizer
from interflow.integrators.runge_kutta import ExplicitRungeKutta, Tableau
from interflow.integrators.runge_kutta4 import RungeKutta4

__all__ = [
    "AdaptiveRungeKutta",
    "Dynamics",
    "Euler",
    "EulerMaruyama",
    "ExplicitRungeKutta",
    "Heun",
    "Integrator",
    "Momentum",
    "NamedOptimizer",
    "Nesterov",
    "Optimizer",
    "RungeKutta4",
    "Tableau",
]
