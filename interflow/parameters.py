"""Hyperparameters: positive numbers that live in modules as float64 tensors, fixed or learnable.

A fixed hyperparameter ``sigma`` is a buffer of that name. A learnable one is stored as the ``nn.Parameter``
``log_sigma``, so that any step of an optimizer keeps it positive; reading ``sigma`` gives ``exp(log_sigma)``.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from interflow.errors import ArgumentError

ModuleT = TypeVar("ModuleT", bound=nn.Module)
SumT_co = TypeVar("SumT_co", covariant=True)
ScaledT_co = TypeVar("ScaledT_co", covariant=True)

_PLAIN = (int, float, str, Tensor)


@dataclass(frozen=True)
class _Positive:
    """What `PositiveParameter` hands to `Parametrised.__setattr__`: a value waiting for its name."""

    value: float | Sequence[float] | Tensor
    learnable: bool = False
    per_axis: bool = False


def PositiveParameter(  # noqa: N802 (reads as a class)
    value: float | Sequence[float] | Tensor, *, learnable: bool = False, per_axis: bool = False
) -> Tensor:
    """Declare a positive hyperparameter by assigning it to an attribute of a `Parametrised` module.

    To a type checker the attribute is the tensor that reading it gives, as with `dataclasses.field`.

    Args:
        value: a positive number; with ``per_axis``, also one for each axis.
        learnable: store its logarithm as an ``nn.Parameter`` instead of the value as a buffer.
        per_axis: accept d numbers as well, in a list or a tensor.

    Raises:
        ArgumentError: at the assignment, where the name is known, if the value is not positive and finite, or if it has
            another shape.

    Example:
        >>> class Scale(Parametrised):
        ...     def __init__(self, sigma: float) -> None:
        ...         super().__init__()
        ...         self.sigma = PositiveParameter(sigma, learnable=True)
        >>> scale = Scale(2.0)
        >>> round(scale.sigma.item(), 12), [name for name, _ in scale.named_parameters()]
        (2.0, ['log_sigma'])
    """
    return cast(Tensor, _Positive(value, learnable, per_axis))


class Parametrised(nn.Module):
    """A module that understands `PositiveParameter`. Numbers assigned later are checked and change it in place."""

    _positive: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _Positive):
            self._register(name, value)
        elif self._is_value_of(name, value):
            self._assign(name, value)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in self._positive and f"log_{name}" in self._parameters:
            return cast(Tensor, self._parameters[f"log_{name}"]).exp()
        return super().__getattr__(name)

    def _is_value_of(self, name: str, value: Any) -> bool:
        if name in self._positive:
            return isinstance(value, int | float | Tensor)
        return isinstance(value, int | float) and name in self.__dict__.get("_buffers", {})

    def extra_repr(self) -> str:
        """The arguments of the constructor that are kept as numbers, words or records of such, as they are now."""
        kept = {name: getattr(self, name, None) for name in inspect.signature(type(self).__init__).parameters}
        plain = {name: value for name, value in kept.items() if isinstance(value, _PLAIN) or is_dataclass(value)}
        shown = [f"{name}={_shown(value)}" for name, value in plain.items()]
        return ", ".join(shown + ["learnable=True"] * bool(self._parameters))

    def _register(self, name: str, declared: _Positive) -> None:
        value = positive(name, declared.value)
        if value.ndim > declared.per_axis:
            wanted = "a number, or one number an axis" if declared.per_axis else "a number"
            raise ArgumentError(name, came=f"a tensor of shape {tuple(value.shape)}", wanted=wanted)
        self._buffers.pop(name, None)
        self._parameters.pop(f"log_{name}", None)
        self._positive = self._positive | {name}
        if declared.learnable:
            self.register_parameter(f"log_{name}", nn.Parameter(value.log()))
        else:
            self.register_buffer(name, value)

    @torch.no_grad()
    def _assign(self, name: str, value: float | Tensor) -> None:
        present = getattr(self, name)
        if present is None:
            return self._register(name, _Positive(value))
        tensor = positive(name, value) if name in self._positive else finite(name, value)
        if tensor.ndim > 0 and tensor.shape != present.shape:
            raise ArgumentError(
                name, came=f"shape {tuple(tensor.shape)}", wanted=f"shape {tuple(present.shape)}, as now"
            )
        logarithm = self._parameters.get(f"log_{name}")
        if logarithm is None:
            present.copy_(tensor)
        else:
            logarithm.copy_(tensor.log())
        return None


def positive(name: str, value: float | Sequence[float] | Tensor) -> Tensor:
    """The value as a float64 tensor of its own; raises `ArgumentError` naming the argument unless positive."""
    tensor = finite(name, value)
    if not bool((tensor > 0).all()):
        raise ArgumentError(name, came=value, wanted="a positive number")
    return tensor


def finite(name: str, value: float | Sequence[float] | Tensor) -> Tensor:
    """The value as a float64 tensor of its own; raises `ArgumentError` naming the argument unless finite."""
    if isinstance(value, Tensor) and value.requires_grad:
        remedy = "Make the hyperparameter learnable, or hand it over by torch.func.functional_call."
        raise ArgumentError(name, came="a tensor that requires grad", wanted="a number without a graph", remedy=remedy)
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(name, came=repr(value), wanted="a number or a tensor of numbers") from None
    if not bool(tensor.isfinite().all()):
        raise ArgumentError(name, came=value, wanted="a finite number")
    return tensor


def hyperparameters(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module tree by the dotted name under which its formula reads them, in registration order.

    Learnable positive ones appear as their positive value (differentiable), under their own name. A child that stands
    in two places appears in both.
    """
    values = {
        name: tensor.exp() if logarithm else tensor for name, tensor, logarithm in _own(module) if tensor is not None
    }
    for child_name, child in _children(module):
        values |= {f"{child_name}.{name}": tensor for name, tensor in hyperparameters(child).items()}
    return values


def substitute(module: ModuleT, values: Mapping[str, Tensor]) -> ModuleT:
    """A copy of a module tree that reads the given tensors (of any kind, traced ones too) as its hyperparameters."""
    clone = copy.copy(module)
    own = {name: tensor if tensor is None else values[name] for name, tensor, _ in _own(module)}
    children = {name: substitute(child, _below(name, values)) for name, child in _children(module)}
    clone.__dict__ = {**module.__dict__, **own, "_parameters": {}, "_buffers": {}, "_modules": children}
    return clone


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor | None, bool]]:
    """The name under which each tensor is read, the tensor that is stored, and whether that is the logarithm."""
    declared: frozenset[str] = getattr(module, "_positive", frozenset())
    for name, tensor in module._buffers.items():
        yield name, tensor, False
    for name, parameter in module._parameters.items():
        plain = name.removeprefix("log_")
        logarithm = parameter is not None and plain != name and plain in declared
        yield (plain if logarithm else name), parameter, logarithm


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Unlike `named_children`, a child as often as it stands there: ``k + k`` has two terms."""
    return ((name, child) for name, child in module._modules.items() if child is not None)


def _below(child_name: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{child_name}."
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.ndim > 1:
        return f"<shape {tuple(value.shape)}>"
    numbers = [str(float(f"{number:.6g}")) for number in value.reshape(-1).tolist()]
    return numbers[0] if value.ndim == 0 else f"[{', '.join(numbers)}]"


class _Additive(Protocol[SumT_co]):
    def _plus(self, other: Any) -> SumT_co: ...


class _Scalable(Protocol[ScaledT_co]):
    def _times(self, factor: float) -> ScaledT_co: ...


class LinearSpace(ABC):
    """Gives a class its linear operators; a family says once how its members are added and scaled."""

    @abstractmethod
    def _plus(self, other: Any) -> Any:
        """The sum with another member of the family, or ``NotImplemented``."""

    @abstractmethod
    def _times(self, factor: float) -> Any:
        """The member scaled by a real number."""

    def __add__(self: _Additive[SumT_co], other: Any) -> SumT_co:
        return self._plus(other)

    def __radd__(self, other: Any) -> Self:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # so that sum() works

    def __mul__(self: _Scalable[ScaledT_co], factor: Any) -> ScaledT_co:
        return self._times(float(factor)) if isinstance(factor, int | float) else NotImplemented

    def __rmul__(self: _Scalable[ScaledT_co], factor: Any) -> ScaledT_co:
        return self._times(float(factor)) if isinstance(factor, int | float) else NotImplemented

    def __truediv__(self: _Scalable[ScaledT_co], factor: Any) -> ScaledT_co:
        return self._times(1.0 / factor) if isinstance(factor, int | float) else NotImplemented

    def __neg__(self: _Scalable[ScaledT_co]) -> ScaledT_co:
        return self._times(-1.0)

    def __pos__(self) -> Self:
        return self

    def __sub__(self: _Additive[SumT_co], other: Any) -> SumT_co:
        return self._plus(-other) if isinstance(other, LinearSpace) else NotImplemented
