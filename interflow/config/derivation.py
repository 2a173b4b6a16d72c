"""From an annotated constructor to the model of its configs, so that a class is written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal, get_type_hints

from pydantic import Field, create_model

from interflow.config.codecs import Codec, OfObject, codec
from interflow.config.families import Family
from interflow.config.model import Derivation, ObjectConfig
from interflow.errors import ArgumentError


def derive(
    kind: str, cls: type, family: Family, of: OfObject, names: Mapping[str, str] | None = None
) -> type[ObjectConfig]:
    """The model of a class.

    Args:
        kind: value of the field ``kind``.
        cls: the class; every argument of its constructor is annotated.
        family: where it belongs.
        of: gives the model of an object that is an argument.
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
        arguments[name], codecs[name] = argument, _codec(cls, argument, annotations[argument], of)
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (codecs[name].type, Field(default, description=descriptions.get(argument)))
    model = create_model(f"{cls.__name__}Config", __base__=ObjectConfig, __doc__=summary(cls), **fields)
    handed_down = family.handed_down & inspect.signature(cls).parameters.keys()
    model.derivation = Derivation(cls, family, codecs, arguments, handed_down)
    return model


def summary(cls: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def argument_descriptions(cls: type) -> dict[str, str]:
    """What the ``Args:`` section of a docstring says of each argument.

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
    """The arguments that become fields."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # nn.Module's, where not overridden
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in family.handed_down and parameter.kind not in variadic
    }
    for argument in parameters:
        name = names.get(argument, argument)
        if name == "kind" or name in family.extras or hasattr(ObjectConfig, name):
            remedy = f"`{name}` has another meaning in configs: register the class with names={{'{argument}': …}}."
            raise ArgumentError("cls", came=f"{cls.__name__} with `{argument}`", wanted="another name", remedy=remedy)
    return parameters


def _annotations(cls: type, names: list[str]) -> dict[str, Any]:
    """Annotations of the named arguments, evaluated where the constructor was written."""
    constructor: Any = inspect.getattr_static(cls, "__init__")
    written = {name: constructor.__annotations__[name] for name in names if name in constructor.__annotations__}
    if missing := [name for name in names if name not in written]:
        raise ArgumentError(
            "cls", came=f"{cls.__name__} with `{missing[0]}` not annotated", wanted="annotated arguments"
        )
    return get_type_hints(SimpleNamespace(__annotations__=written), getattr(constructor, "__globals__", {}))


def _codec(cls: type, name: str, annotation: Any, of: OfObject) -> Codec:
    try:
        return codec(annotation, of)
    except ArgumentError as error:
        came = f"{cls.__name__} with `{name}: {error.came}`"
        raise ArgumentError("cls", came=came, wanted=error.wanted, remedy=error.remedy) from None
