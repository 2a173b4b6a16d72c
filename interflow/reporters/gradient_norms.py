"""How gradients change on their way back through a rollout."""

from __future__ import annotations

from functools import partial
from typing import final

import torch
from torch import Tensor

from interflow.state import State


@final
class GradientNorms:
    """``‖∂L/∂x_t‖`` after each step of a rollout: how fast gradients grow or fade with the horizon.

    It is given to a rollout as a callback, and holds the norms once the loss L has been differentiated; the gradient
    of each state counts what the loss takes from that state and from all later ones.

    Example:
        >>> from interflow import Euler, GaussianKernel, InteractionEnergy, ParticleSystem
        >>> spread = InteractionEnergy(GaussianKernel(sigma=1.0, learnable=True))
        >>> system = ParticleSystem(torch.tensor([[0.0], [1.0]]), energy=spread, integrator=Euler(step_size=0.1))
        >>> norms = GradientNorms()
        >>> system.rollout(3, callbacks=[norms]).positions[-1].square().sum().backward()
        >>> norms.steps, norms.values.shape
        ([1, 2, 3], torch.Size([3]))
    """

    def __init__(self) -> None:
        self._norms: dict[int, Tensor] = {}

    def __call__(self, state: State) -> None:
        """Watch the positions of a state."""
        if state.positions.requires_grad:
            state.positions.register_hook(partial(self._keep, state.step))

    @property
    def steps(self) -> list[int]:
        """The steps that gradients have reached, in order."""
        return sorted(self._norms)

    @property
    def values(self) -> Tensor:
        """The norms after those steps, float64, on the CPU."""
        return torch.tensor([float(self._norms[step]) for step in self.steps], dtype=torch.float64)

    def _keep(self, step: int, gradient: Tensor) -> None:
        self._norms[step] = gradient.detach().norm()
