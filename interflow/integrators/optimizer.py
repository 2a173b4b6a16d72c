"""The optimizers of PyTorch as integrators: the positions are the parameters, minus the velocity is their gradient."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, final

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.integrators.base import Dynamics, Integrator
from interflow.parameters import PositiveParameter
from interflow.state import State
from interflow.validation import check_choice

Make = Callable[[list[Tensor]], torch.optim.Optimizer]

PREFIX = "optimizer_"

Name = Literal[
    "adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd"
]  # those that treat each coordinate by itself; LBFGS wants closures, and Adafactor and Muon matrices of weights

NAMED: dict[Name, Callable[..., torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "sgd": torch.optim.SGD,
}


class OptimizerStep(Integrator, ABC):
    """A step of a ``torch.optim.Optimizer`` for the Wasserstein gradient ``−v(x)``. A subclass writes `make`.

    The optimizer is made anew at each step and given its moments back, which live in the state's carry: a run equals,
    bit for bit, one with the same optimizer throughout. Time advances by the learning rate, so that plain gradient
    descent is `Euler`. Steps are differentiable where the optimizer was made with ``differentiable=True``, which may
    round otherwise: PyTorch then corrects the bias of Adam in float32.
    """

    @abstractmethod
    def make(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        """The optimizer of a list of parameters, without moments yet."""

    @final
    def not_differentiable_reason(self) -> str | None:
        optimizer = self.make([torch.zeros(1, 1)])
        if optimizer.defaults.get("differentiable", False):
            return None
        name = type(optimizer).__name__
        return f"torch.optim.{name} changes its parameters in place, without a graph, unless differentiable=True"

    @final
    def step(self, state: State, dynamics: Dynamics, generator: torch.Generator | None) -> State:
        velocity = dynamics.velocity(state)
        tracked = torch.is_grad_enabled() and (velocity.requires_grad or state.positions.requires_grad)
        points = state.positions.detach().clone()
        optimizer = self.make([points])
        if tracked:
            _check_differentiable(optimizer)
            points = state.positions.clone()
            optimizer = self.make([points])
        optimizer.state[points].update(_moments(state.carry))
        points.grad = -velocity
        optimizer.step()
        points.grad = None
        moments = _carried(optimizer.state[points])
        if tracked:
            _check_tracked(moments, points)
        return state.replace(
            positions=dynamics.wrap(points),
            time=state.time + optimizer.param_groups[0].get("lr", 1.0),
            step=state.step + 1,
            carry={**state.carry, **moments},
        )


@final
class Optimizer(OptimizerStep):
    """An optimizer of PyTorch, or one with its interface, as an integrator.

    Args:
        make: a function from a list of parameters to the optimizer.

    Raises:
        ArgumentError: if its steps need a closure that evaluates the energy again, as those of ``LBFGS`` do; and in
            a step that is differentiated, if the optimizer would cut the graph.

    Example:
        >>> adam = Optimizer(lambda parameters: torch.optim.Adam(parameters, lr=0.01))
        >>> adam.make([torch.zeros(3, 2)]).defaults["lr"]
        0.01
    """

    def __init__(self, make: Make) -> None:
        super().__init__()
        self._make = make
        _check_closure(make([torch.zeros(1, 1)]))

    def make(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        return self._make(parameters)


@final
class NamedOptimizer(OptimizerStep):
    """An optimizer of PyTorch by its name, with its default settings; for others see `Optimizer`.

    Args:
        name: one of ``"adadelta"``, ``"adagrad"``, ``"adam"``, ``"adamax"``, ``"adamw"``, ``"asgd"``, ``"nadam"``,
            ``"radam"``, ``"rmsprop"``, ``"rprop"``, ``"sgd"``.
        learning_rate: the optimizer's ``lr``, which may be assigned anew between steps.

    Example:
        >>> NamedOptimizer("adam", learning_rate=0.01).learning_rate.item()
        0.01
    """

    def __init__(self, name: Name, learning_rate: float) -> None:
        super().__init__()
        check_choice("name", name, list(NAMED))
        self.name: Name = name
        self.learning_rate = PositiveParameter(learning_rate)

    def make(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        rate = self.learning_rate.item()
        return NAMED[self.name](parameters, lr=rate, differentiable=torch.is_grad_enabled())


def _moments(carry: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The optimizer's moments in a carry, as copies, since optimizers change theirs in place."""
    own = {name: tensor for name, tensor in carry.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): tensor.clone() for name, tensor in own.items()}


def _carried(moments: Mapping[str, object]) -> dict[str, Tensor]:
    """An optimizer's moments under the names that they have in a carry."""
    carried: dict[str, Tensor] = {}
    for name, moment in moments.items():
        if isinstance(moment, Tensor):
            carried[PREFIX + name] = moment
        elif moment is not None:
            came = f"an optimizer that keeps `{name}` as {type(moment).__name__}"
            raise ArgumentError("make", came=came, wanted="one that keeps tensors, which checkpoints can hold")
    return carried


def _check_closure(optimizer: torch.optim.Optimizer) -> None:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ArgumentError(
            "make",
            came=type(optimizer).__name__,
            wanted="an optimizer whose step uses one gradient",
            remedy="This one calls a closure for more of them, and an integrator gives one velocity a step.",
        )


def _check_differentiable(optimizer: torch.optim.Optimizer) -> None:
    if not optimizer.defaults.get("differentiable", False):
        raise ArgumentError(
            "make",
            came=f"{type(optimizer).__name__} without differentiable=True, in a step that is differentiated",
            wanted="an optimizer that keeps the graph",
            remedy="Make it with differentiable=True, or step under torch.no_grad().",
        )


def _check_tracked(moments: Mapping[str, Tensor], points: Tensor) -> None:
    for name, moment in moments.items():
        if moment.shape == points.shape and not moment.requires_grad:
            raise ArgumentError(
                "make",
                came=f"an optimizer that cuts the graph of its `{name.removeprefix(PREFIX)}`",
                wanted="one that keeps it in a step that is differentiated",
                remedy="The momentum of torch.optim.SGD does so at its first step: use Momentum instead.",
            )
