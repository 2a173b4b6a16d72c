"""Hyperparameters: positive numbers that live in modules as float64 tensors, fixed or learnable.

A fixed hyperparameter ``sigma`` is a buffer of that name. A learnable one is stored as the ``nn.Parameter``
``log_sigma``, so that any step of an optimizer keeps it positive; reading ``sigma`` gives ``exp(log_sigma)``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from interflow.errors import ArgumentError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class _Positive:
    """What `PositiveParameter` hands to `Parametrised.__setattr__`: a value waiting for its name."""

    def __init__(self, value: float | Tensor, learnable: bool) -> None:
        self.value = value
        self.learnable = learnable


def PositiveParameter(value: float | Tensor, *, learnable: bool = False) -> Tensor:  # noqa: N802 (reads as a class)
    """Declare a positive hyperparameter by assigning it to an attribute of a `Parametrised` module.

    To a type checker the attribute is the tensor that reading it gives, as with `dataclasses.field`.

    Args:
        value: a positive number, or a tensor of positive numbers.
        learnable: store its logarithm as an ``nn.Parameter`` instead of the value as a buffer.

    Raises:
        ArgumentError: at the assignment, where the name is known, if the value is not positive and finite.

    Example:
        >>> class Scale(Parametrised):
        ...     def __init__(self, sigma: float) -> None:
        ...         super().__init__()
        ...         self.sigma = PositiveParameter(sigma, learnable=True)
        >>> scale = Scale(2.0)
        >>> round(scale.sigma.item(), 12), [name for name, _ in scale.named_parameters()]
        (2.0, ['log_sigma'])
    """
    return cast(Tensor, _Positive(value, learnable))


class Parametrised(nn.Module):
    """A module that understands `PositiveParameter`; later assignments of numbers change the value in place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _Positive):
            self._register(name, value)
        elif isinstance(value, int | float) and self._is_hyperparameter(name):
            self._assign(name, value)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        logarithm = self.__dict__.get("_parameters", {}).get(f"log_{name}")
        return logarithm.exp() if logarithm is not None else super().__getattr__(name)

    def _is_hyperparameter(self, name: str) -> bool:
        return name in self.__dict__.get("_buffers", {}) or f"log_{name}" in self.__dict__.get("_parameters", {})

    def _register(self, name: str, declared: _Positive) -> None:
        value = positive(name, declared.value)
        self._buffers.pop(name, None)
        self._parameters.pop(f"log_{name}", None)
        if declared.learnable:
            self.register_parameter(f"log_{name}", nn.Parameter(value.log()))
        else:
            self.register_buffer(name, value)

    @torch.no_grad()
    def _assign(self, name: str, value: float) -> None:
        logarithm = self._parameters.get(f"log_{name}")
        if logarithm is not None:
            logarithm.copy_(positive(name, value).log())
        else:
            self._buffers[name].copy_(torch.as_tensor(value))  # type: ignore[union-attr]


def positive(name: str, value: float | Tensor) -> Tensor:
    """The value as a float64 tensor of its own; raises `ArgumentError` naming the argument unless positive."""
    tensor = finite(name, value)
    if not bool((tensor > 0).all()):
        raise ArgumentError(name, came=value, wanted="a positive number")
    return tensor


def finite(name: str, value: float | Tensor) -> Tensor:
    """The value as a float64 tensor of its own; raises `ArgumentError` naming the argument unless finite."""
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(name, came=repr(value), wanted="a number or a tensor of numbers") from None
    if not bool(tensor.isfinite().all()):
        raise ArgumentError(name, came=value, wanted="a finite number")
    return tensor


def hyperparameters(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module tree by the dotted name under which its formula reads them, in registration order.

    Learnable positive ones appear as their positive value (differentiable), under their own name.
    """
    values: dict[str, Tensor] = {}
    for name, tensor in _own(module):
        values[name] = tensor
    for child_name, child in module.named_children():
        for name, tensor in hyperparameters(child).items():
            values[f"{child_name}.{name}"] = tensor
    return values


def substitute(module: ModuleT, values: Mapping[str, Tensor]) -> ModuleT:
    """A copy of a module tree that reads the given tensors (of any kind, traced ones too) as its hyperparameters."""
    clone = copy.copy(module)
    clone.__dict__ = dict(module.__dict__)
    own = {name: values[name] for name, _ in _own(module)}
    children = {
        child_name: substitute(
            child, {name: values[f"{child_name}.{name}"] for name in hyperparameters(child)}
        )
        for child_name, child in module.named_children()
    }
    clone.__dict__.update(own, _parameters={}, _buffers={}, _modules=children)
    return clone


def _own(module: nn.Module) -> list[tuple[str, Tensor]]:
    own: list[tuple[str, Tensor]] = []
    for name, tensor in (*module._buffers.items(), *module._parameters.items()):
        if tensor is None:
            continue
        if isinstance(module, Parametrised) and name.startswith("log_"):
            own.append((name.removeprefix("log_"), tensor.exp()))
        else:
            own.append((name, tensor))
    return own
