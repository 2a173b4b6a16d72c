"""Embedded Runge–Kutta pairs with a step that adapts itself.

A pair gives two results x̂ and x of orders p − 1 and p from the same stages. A substep h is accepted when

    ``e = max |x − x̂| / (δ + ε max(|x₀|, |x|)) ≤ 1``

over all coordinates of all particles, with the absolute and relative tolerances δ and ε. The next one is
``h · 0.9 e^(−0.7/p) e₋₁^(0.4/p)``, between a fifth and ten times h: the PI controller of Gustafsson (1991), with the
constants of Hairer, Nørsett & Wanner (1993, II.4). Pairs: 5(4) of Dormand & Prince (1980), 3(2) of Bogacki &
Shampine (1989).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

from interflow.errors import InterflowError
from interflow.integrators.base import Dynamics, Integrator
from interflow.integrators.runge_kutta import Tableau, stages, step_positions, weighted_slopes
from interflow.parameters import PositiveParameter, positive
from interflow.state import State
from interflow.validation import check_choice

EMBEDDED_METHODS = {
    "dormand_prince": Tableau(
        a=(
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        order=5,
        embedded=(5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40),
        embedded_order=4,
    ),
    "bogacki_shampine": Tableau(
        a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
        b=(2 / 9, 1 / 3, 4 / 9, 0.0),
        order=3,
        embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
        embedded_order=2,
    ),
}

SAFETY, MIN_FACTOR, MAX_FACTOR = 0.9, 0.2, 10.0
FIRST_FRACTION = 0.01
"""Of a step, tried first: short, since the error of a long substep can vanish by accident."""

MIN_FRACTION, MAX_TRIALS = 1e-12, 10_000
"""A substep below this fraction of a step, or more trials in a step, mean that the velocity is singular or jumps."""


class _PIController(NamedTuple):
    """What the controller hands from substep to substep: the size to try next, and the last accepted error."""

    trial: float
    error: float

    @classmethod
    def of(cls, carry: Mapping[str, Tensor]) -> _PIController:
        return cls(carry["adaptive_substep"].item(), carry["adaptive_error"].item())

    def carry(self) -> dict[str, Tensor]:
        values = {"adaptive_substep": self.trial, "adaptive_error": self.error}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


@final
class AdaptiveRungeKutta(Integrator):
    """A step of fixed length made of as many substeps as the tolerance asks for, so that frames stay equally spaced.

    The controller's substep and last error are kept in the state's carry, and a run goes on as if unbroken. Where
    steps are differentiated, the choice of the substeps is held constant. On a GPU each substep waits for the device.

    Args:
        step_size: the length of a step, a time.
        relative_tolerance: ε, the error allowed a substep as a fraction of a coordinate.
        absolute_tolerance: δ, the same in units of the positions.
        method: ``"dormand_prince"``, 5(4), or ``"bogacki_shampine"``, 3(2), for loose tolerances.
        learnable: make the step size an ``nn.Parameter``.

    Raises:
        InterflowError: if the substeps shrink to nothing, as where particles collide under a singular attraction, or
            where the velocity jumps.

    Example:
        >>> AdaptiveRungeKutta(step_size=0.1, relative_tolerance=1e-9).tableau.order
        5
    """

    def __init__(
        self,
        step_size: float,
        *,
        relative_tolerance: float = 1e-6,
        absolute_tolerance: float = 1e-8,
        method: Literal["dormand_prince", "bogacki_shampine"] = "dormand_prince",
        learnable: bool = False,
    ) -> None:
        super().__init__()
        check_choice("method", method, list(EMBEDDED_METHODS))
        self.step_size = PositiveParameter(step_size, learnable=learnable)
        self.relative_tolerance = positive("relative_tolerance", relative_tolerance).item()
        self.absolute_tolerance = positive("absolute_tolerance", absolute_tolerance).item()
        self.method = method

    @property
    def tableau(self) -> Tableau:
        """The pair of methods."""
        return EMBEDDED_METHODS[self.method]

    def init(self, state: State) -> State:
        if "adaptive_substep" in state.carry:
            return super().init(state)
        fresh = _PIController(trial=FIRST_FRACTION * self.step_size.item(), error=1.0)
        return super().init(state).replace(carry={**state.carry, **fresh.carry()})

    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        control, length, elapsed = _PIController.of(state.carry), self.step_size.item(), 0.0
        inner, slope = state, dynamics.velocity(state)
        for _ in range(MAX_TRIALS):
            last = elapsed + control.trial >= length
            substep = self.step_size - elapsed if last else torch.as_tensor(control.trial, dtype=torch.float64)
            slopes = stages(self.tableau, inner, substep, dynamics, slope)
            positions = step_positions(inner.positions, slopes, self.tableau.b, substep)
            error = self._error(inner.positions, positions, slopes, substep)
            accepted = error <= 1.0
            control = self._controlled(control, substep.item(), error)
            if accepted:
                inner = inner.replace(positions=dynamics.wrap(positions), time=inner.time + substep)
                if last:
                    return inner.replace(step=state.step + 1, carry={**state.carry, **control.carry()})
                elapsed += substep.item()
                slope = self._first_slope(inner, positions, slopes, dynamics)
            elif substep.item() < MIN_FRACTION * length:
                break
        return _fail_step(state, positions, control.trial)

    @torch.no_grad()
    def _error(self, before: Tensor, after: Tensor, slopes: list[Tensor], substep: Tensor) -> float:
        """e; not a number where the velocity is not."""
        error = substep.to(after.dtype) * weighted_slopes(slopes, self.tableau.error)
        allowed = self.absolute_tolerance + self.relative_tolerance * torch.maximum(before.abs(), after.abs())
        return (error.abs() / allowed).max().item() if error.numel() else 0.0

    def _controlled(self, control: _PIController, substep: float, error: float) -> _PIController:
        """The control after a substep of a given error; a step cut short by its end never lowers the next trial."""
        order = self.tableau.order
        if not error <= 1.0:
            factor = SAFETY * error ** (-1.0 / order) if error < float("inf") else 0.0
            return _PIController(substep * max(factor, MIN_FACTOR), control.error)
        error = max(error, 1e-10)
        factor = SAFETY * error ** (-0.7 / order) * control.error ** (0.4 / order)
        proposed = substep * min(max(factor, MIN_FACTOR), MAX_FACTOR)
        return _PIController(max(proposed, control.trial) if substep < control.trial else proposed, error)

    def _first_slope(self, state: State, unwrapped: Tensor, slopes: list[Tensor], dynamics: Dynamics) -> Tensor:
        """The velocity at an accepted state, which the last stage has already where nothing was wrapped."""
        if self.tableau.first_same_as_last and torch.equal(state.positions, unwrapped):
            return slopes[-1]
        return dynamics.velocity(state)


def _fail_step(state: State, positions: Tensor, substep: float) -> State:
    """The state as it is where it is not finite, for the run to name the cause; otherwise an error."""
    if not bool(positions.isfinite().all()):
        return state.replace(positions=positions, step=state.step + 1)
    raise InterflowError(
        f"step {state.step + 1}: the tolerance asks for substeps of {substep:.1e}, too short to end the step. The "
        "velocity is singular or jumps there, as where particles collide, or where a wide kernel is cut at half a "
        "period. Soften or narrow the kernel, loosen the tolerances, or use an integrator with a fixed step."
    )
