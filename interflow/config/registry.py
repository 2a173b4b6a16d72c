"""Registered classes, and the models that are derived from their annotated constructors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import singledispatch
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import Field, create_model
from torch import nn

from interflow.config.model import SCALE, Codec, Family, FromObject, ModelBinding, ObjectConfig, codec, family_of
from interflow.errors import ArgumentError, ConfigError


def derive_model(
    kind: str, cls: type, family: Family, from_object: FromObject, names: Mapping[str, str] | None = None
) -> type[ObjectConfig]:
    """Return the model of a class.

    Args:
        kind: value of the field ``kind``.
        cls: the class; every argument of its constructor is annotated.
        family: where it belongs.
        from_object: gives the model of an object that is an argument.
        names: fields that are not called like their argument, by argument.
    """
    names = names or {}
    parameters = _parameters(cls, family, names)
    annotations = _annotations(cls, list(parameters))
    descriptions = argument_descriptions(cls)
    fields: dict[str, Any] = {"kind": (Literal[kind], kind), **family.extras}
    codecs: dict[str, Codec] = {}
    arguments: dict[str, str] = {}
    for argument, parameter in parameters.items():
        name = names.get(argument, argument)
        arguments[name], codecs[name] = argument, _codec(cls, argument, annotations[argument], from_object)
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (codecs[name].type, Field(default, description=descriptions.get(argument)))
    model = create_model(f"{cls.__name__}Config", __base__=ObjectConfig, __doc__=summary(cls), **fields)
    inherited = family.inherited & inspect.signature(cls).parameters.keys()
    model.binding = ModelBinding(cls, family, codecs, arguments, inherited)
    return model


def summary(cls: type) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def argument_descriptions(cls: type) -> dict[str, str]:
    """Return the description of each argument in the ``Args:`` section of a docstring.

    Example:
        >>> class Ring:
        ...     '''A ring.
        ...
        ...     Args:
        ...         radius: of the circle,
        ...             in units of the positions.
        ...         width: of the band.
        ...     '''
        >>> argument_descriptions(Ring)
        {'radius': 'of the circle, in units of the positions.', 'width': 'of the band.'}
    """
    section = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)+)", inspect.getdoc(cls) or "", re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): ((?:.*\n?)(?:^ {5,}.*\n?)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in entries}


def _parameters(cls: type, family: Family, names: Mapping[str, str]) -> dict[str, inspect.Parameter]:
    """Return the constructor arguments that become fields."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # nn.Module's, where not overridden
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in family.inherited and parameter.kind not in variadic
    }
    for argument in parameters:
        name = names.get(argument, argument)
        if name == "kind" or name in family.extras or hasattr(ObjectConfig, name):
            remedy = f"`{name}` has another meaning in configs: register the class with names={{'{argument}': …}}."
            raise ArgumentError("cls", came=f"{cls.__name__} with `{argument}`", wanted="another name", remedy=remedy)
    return parameters


def _annotations(cls: type, names: list[str]) -> dict[str, Any]:
    """Return annotations of the named arguments, evaluated in the module of the constructor."""
    constructor: Any = inspect.getattr_static(cls, "__init__")
    written = {name: constructor.__annotations__[name] for name in names if name in constructor.__annotations__}
    if missing := [name for name in names if name not in written]:
        raise ArgumentError(
            "cls", came=f"{cls.__name__} with `{missing[0]}` not annotated", wanted="annotated arguments"
        )
    return get_type_hints(SimpleNamespace(__annotations__=written), getattr(constructor, "__globals__", {}))


def _codec(cls: type, name: str, annotation: Any, from_object: FromObject) -> Codec:
    try:
        return codec(annotation, from_object)
    except ArgumentError as error:
        came = f"{cls.__name__} with `{name}: {error.came}`"
        raise ArgumentError("cls", came=came, wanted=error.wanted, remedy=error.remedy) from None


ClassT = TypeVar("ClassT", bound=type)


def register(kind: str, *, names: Mapping[str, str] | None = None) -> Callable[[ClassT], ClassT]:
    """Make a class available to configs under a ``kind``. Its model is derived from its annotated constructor.

    Args:
        kind: the name in configs, new in the family of the class.
        names: fields that are not to be called like their argument, by argument.

    Raises:
        ArgumentError: if the class derives from no registered base, the kind is taken, or an argument has no
            annotation that a config can hold.

    Example:
        >>> import interflow as fl
        >>> @fl.config.register("ring")
        ... class Ring(fl.RadialKernel):
        ...     def __init__(self, radius: float) -> None:
        ...         super().__init__()
        ...         self.radius = fl.PositiveParameter(radius)
        ...     def profile(self, squared_distance):
        ...         return (squared_distance.sqrt() - self.radius).square()
        >>> fl.config.from_object(Ring(0.5))
        RingConfig(kind='ring', scale=1.0, radius=0.5)
    """

    def add(cls: ClassT) -> ClassT:
        family = family_of(cls)
        if family is None:
            bases = ", ".join(base.__name__ for base in Family.by_base)
            raise ArgumentError("cls", came=cls.__name__, wanted=f"a class derived from one of {bases}")
        taken = family.models[kind].binding.cls if kind in family.models else cls
        if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):  # a cell may run twice
            came = f"{kind!r}, which is {taken.__name__}"
            raise ArgumentError("kind", came=came, wanted=f"a new name for a {family.name}")
        family.models[kind] = derive_model(kind, cls, family, from_object, names)
        return cls

    return add


@singledispatch
def from_object(member: Any) -> Any:
    """Return the config of an object of any family, or the `SystemConfig` of a system.

    Raises:
        ConfigError: if its class is not registered, or does not keep an argument as an attribute of that name.
    """
    family = family_of(type(member))
    scale, member = family.unscaled(member) if family else (1.0, member)
    models = family.models.values() if family else ()
    model = next((model for model in models if model.binding.cls is type(member)), None)
    if model is None:
        raise ConfigError(f"{type(member).__name__} has no `kind`. Register it with `fl.config.register`.")
    made = model.binding
    fields = {name: codec.read(_attribute(member, made.arguments[name])) for name, codec in made.codecs.items()}
    return model(**fields, **({SCALE: scale} if made.family.scaled else {}))


def _attribute(member: Any, name: str) -> Any:
    learnable = isinstance(member, nn.Module) and bool(member._parameters)
    if name == "learnable":
        return learnable
    if not hasattr(member, name):
        raise ConfigError(f"{type(member).__name__} keeps no attribute `{name}`, so that its config cannot be told.")
    value = getattr(member, name)
    if learnable and f"log_{name}" in member._parameters:
        return _rounded(value.tolist())  # exp(log σ) is σ up to the last digits
    return value


def _rounded(value: Any) -> Any:
    return [_rounded(item) for item in value] if isinstance(value, list) else float(f"{value:.15g}")
