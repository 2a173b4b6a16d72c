"""How the arguments of a constructor travel: annotation → type of the field → argument, and attribute → field."""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import torch
from torch import Tensor

from interflow.config.context import Context
from interflow.config.families import Family
from interflow.config.fields import Array, Number, NumberOrList, Text, Truth, Whole
from interflow.config.model import ObjectConfig
from interflow.errors import ArgumentError

OfObject = Callable[[Any], ObjectConfig]


@dataclass(frozen=True)
class Codec:
    """The way of one argument into a config and out of it.

    Args:
        type: type of the field in the model.
        build: the argument made of the field's value.
        read: the field's value made of the object's attribute.
    """

    type: Any
    build: Callable[[Any, Context], Any]
    read: Callable[[Any], Any]


def codec(annotation: Any, of: OfObject) -> Codec:
    """The codec of an annotation.

    Args:
        annotation: of an argument of a constructor, evaluated.
        of: gives the model of an object, for arguments that are themselves objects with a config.

    Raises:
        ArgumentError: if nothing in a config could be such an argument.
    """
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and annotation in Family.by_base:
        return Codec(Annotated[Any, Family.by_base[annotation]], _build_object, of)
    origin, parameters = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Codec(annotation, _keep, _plain)
    if origin in (Union, types.UnionType) and type(None) in parameters:
        return _optional(codec(reduce(operator.or_, (p for p in parameters if p is not type(None))), of))
    if origin in (list, tuple, Sequence) and set(parameters[1:]) <= {...}:
        return _sequence(codec(parameters[0], of))
    raise ArgumentError(
        "annotation",
        came=annotation,
        wanted="float, int, bool, str, Literal, Tensor, Kernel, Boundary, Energy or another registered base, "
        "a Sequence of these, or one of these or None",
        remedy="A config can hold nothing else.",
    )


def _keep(value: Any, context: Context) -> Any:
    return value


def _build_object(value: ObjectConfig, context: Context) -> Any:
    return value.build(context)


def _tensor(value: Any, context: Context) -> Any:
    """Hyperparameters are float64 wherever the positions are not."""
    return torch.tensor(value, dtype=torch.float64) if isinstance(value, tuple) else value


def _points(value: Any, context: Context) -> Tensor:
    return torch.tensor(value, dtype=context.dtype, device=context.device)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def _decimals(value: Tensor) -> Any:
    """Nested lists of the shortest decimals that mean these numbers in their own dtype."""
    return value.detach().cpu().numpy().astype(str).astype(float).tolist()


_PLAIN: dict[Any, Codec] = {
    float: Codec(Number, _keep, _plain),
    int: Codec(Whole, _keep, _plain),
    bool: Codec(Truth, _keep, _plain),
    str: Codec(Text, _keep, _plain),
    Tensor: Codec(Array, _points, _decimals),
    float | Tensor: Codec(NumberOrList, _tensor, _plain),
}


def _optional(inner: Codec) -> Codec:
    return Codec(
        inner.type | None,
        lambda value, context: None if value is None else inner.build(value, context),
        lambda value: None if value is None else inner.read(value),
    )


def _sequence(inner: Codec) -> Codec:
    return Codec(
        tuple[inner.type, ...],  # type: ignore[name-defined]
        lambda values, context: [inner.build(value, context.at(index)) for index, value in enumerate(values)],
        lambda values: tuple(inner.read(value) for value in values),
    )
