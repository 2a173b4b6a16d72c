"""How a fit is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from interflow.errors import ArgumentError
from interflow.fitting.refinement import MOST
from interflow.validation import check_choice, is_count


@final
@dataclass(frozen=True)
class FitSettings:
    """All that a fit depends on beside the clouds, the discrepancy and the integrator.

    Lengths are in units of the target's root mean square radius.

    Args:
        steps: the most steps that are made, dealt out evenly on a ladder.
        seconds: the time after which it ends; none for no limit.
        decrease: it ends when the loss falls by less than this part of itself over three checks; none to go on.
        loss: it ends at this loss; none to go on.
        start: where points start of which only the number is given: at ``"samples"`` of the target, or in its
            ``"box"``.
        ladder: factors of the kernel's bandwidth, one after the other, such as ``(8, 4, 2, 1)``; none for it alone.
        noise: level at the start of the noise that is injected, falling to 0 at the end.
        batch: points of the target that each step sees, drawn anew; none for all of them.
        weight_rate: η of learned weights; 0 keeps the weights.
        refinements: how many times the number of points is multiplied by four on the way, after coarser fits; None for
            as many as pairs ask for where no discrepancy is given.
        check_every: steps between two looks at the loss.
        seed: of every random draw.
        deterministic: the same machine and seed give the same bits: no limit of time, and where it is open which
            backend sums, only those that repeat.
    """

    steps: int = 60
    seconds: float | None = None
    decrease: float | None = None
    loss: float | None = None
    start: Literal["samples", "box"] = "samples"
    ladder: tuple[float, ...] = ()
    noise: float = 0.0
    batch: int | None = None
    weight_rate: float = 0.0
    refinements: int | None = None
    check_every: int = 10
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_choice("start", self.start, ["samples", "box"])
        for name in ("batch", "check_every"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ArgumentError(name, came=repr(value), wanted="a positive whole number")
        for name in ("noise", "weight_rate"):
            if not getattr(self, name) >= 0:
                raise ArgumentError(name, came=getattr(self, name), wanted="a number ≥ 0")
        if self.refinements is not None and not (is_count(self.refinements, at_least=0) and self.refinements <= MOST):
            raise ArgumentError("refinements", came=repr(self.refinements), wanted=f"a whole number from 0 to {MOST}")
        if self.deterministic and self.seconds is not None:
            remedy = "Stop after steps, or at a loss."
            raise ArgumentError("seconds", came=self.seconds, wanted="None with deterministic=True", remedy=remedy)
