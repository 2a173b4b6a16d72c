"""The state of a system of particles at one time: all that the next step depends on, apart from the noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor

from interflow._repr import ShortRepr
from interflow.errors import ArgumentError
from interflow.validation import check_cloud, check_features

CARRY, FEATURES = "carry.", "features."


@dataclass(frozen=True, eq=False, repr=False)
class State(ShortRepr):
    """The measure ``Σ aᵢ δ_{xᵢ}``, its velocities where the motion has inertia, its time, and what steps hand on.

    A state is never changed: an integrator makes the next one from it.

    Args:
        positions: x, ``(N, d)``, floating.
        weights: a, ``(N,)``, of the positions' dtype.
        velocities: ``(N, d)``, or None for a motion of first order.
        time: a number or a 0-d tensor; kept as a 0-d float64 tensor.
        step: the number of steps made so far.
        carry: named tensors that an integrator keeps from step to step, such as an optimizer's moments.
        features: named tensors that belong to the particles, such as a charge or a species, and that no step changes:
            ``(N,)`` or ``(N, k)``, of the positions' dtype or whole numbers.

    Raises:
        ArgumentError: if shapes, dtypes or devices do not fit together.

    Example:
        >>> state = State(torch.zeros(3, 2), torch.full((3,), 1 / 3))
        >>> later = state.replace(time=state.time + 0.5, step=1)
        >>> later.time.item(), later.step, state.step
        (0.5, 1, 0)
    """

    positions: Tensor
    weights: Tensor
    velocities: Tensor | None = None
    time: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    step: int = 0
    carry: Mapping[str, Tensor] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_cloud(self.positions, self.weights)
        if self.velocities is not None:
            _check_velocities(self.velocities, self.positions)
        object.__setattr__(self, "time", torch.as_tensor(self.time, dtype=torch.float64))
        object.__setattr__(self, "carry", MappingProxyType(dict(self.carry)))
        check_features(self.features, self.positions)
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))

    def replace(self, **changes: Any) -> Self:
        """This state with the named fields changed; checked again unless every change is alike what it replaces."""
        present = vars(self)
        if not all(_is_alike(value, present.get(name)) for name, value in changes.items()):
            return dataclasses.replace(self, **changes)
        changed = object.__new__(type(self))
        vars(changed).update(present, **changes)
        return changed

    def detach(self) -> Self:
        """This state with every tensor cut from the graph that made it."""
        return self.replace(
            positions=self.positions.detach(),
            weights=self.weights.detach(),
            velocities=None if self.velocities is None else self.velocities.detach(),
            time=self.time.detach(),
            carry={name: tensor.detach() for name, tensor in self.carry.items()},
            features={name: tensor.detach() for name, tensor in self.features.items()},
        )

    def is_finite(self) -> bool:
        """Whether every coordinate of every position is finite. On a GPU the answer waits for the device."""
        total = self.positions.sum()  # finite only if all terms are, and cheaper to ask for
        return math.isfinite(total.item()) or bool(self.positions.isfinite().all())

    def to_dict(self) -> dict[str, Tensor]:
        """All of the state as named tensors, for checkpoints; names in it begin with ``carry.`` and ``features.``."""
        own = {"positions": self.positions, "weights": self.weights, "time": self.time}
        moving = {} if self.velocities is None else {"velocities": self.velocities}
        carried = {CARRY + name: tensor for name, tensor in self.carry.items()}
        features = {FEATURES + name: tensor for name, tensor in self.features.items()}
        return {**own, **moving, "step": torch.tensor(self.step), **carried, **features}

    @classmethod
    def from_dict(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The state that `to_dict` took apart."""
        return cls(
            positions=tensors["positions"],
            weights=tensors["weights"],
            velocities=tensors.get("velocities"),
            time=tensors["time"],
            step=int(tensors["step"]),
            carry=_named(CARRY, tensors),
            features=_named(FEATURES, tensors),
        )


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _is_alike(value: object, present: object) -> bool:
    """Whether a value may stand where another was checked: a number for a number, a tensor for one of its form."""
    if isinstance(value, Tensor) and isinstance(present, Tensor):
        return (value.shape, value.dtype, value.device) == (present.shape, present.dtype, present.device)
    return isinstance(value, int) and isinstance(present, int)


def _check_velocities(velocities: Tensor, positions: Tensor) -> None:
    like = f"a tensor of shape {tuple(positions.shape)}, {positions.dtype} on {positions.device}, as the positions"
    if not isinstance(velocities, Tensor):
        raise ArgumentError("velocities", came=f"a {type(velocities).__name__}", wanted=like)
    if (velocities.shape, velocities.dtype, velocities.device) != (positions.shape, positions.dtype, positions.device):
        came = f"shape {tuple(velocities.shape)}, {velocities.dtype} on {velocities.device}"
        raise ArgumentError("velocities", came=came, wanted=like)
