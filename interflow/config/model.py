"""The pydantic models of configs: families told apart by kind, codecs of values, and inherited arguments."""

from __future__ import annotations

import operator
import os
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

import torch
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary
from interflow.config.fields import (
    Array,
    Boolean,
    Integer,
    Number,
    NumberOrList,
    String,
    issue_error,
    reject,
    reject_fields,
)
from interflow.config.problems import ConfigIssue, InvalidConfigError, Path, did_you_mean, shown
from interflow.energies import Energy
from interflow.errors import ArgumentError
from interflow.parameters import Parametrised
from interflow.sums.backends import Backend, backend_key, backend_of

_COPIES: Final = 3
"""Arrays of the size of the positions that a run holds at least: positions, velocity and next positions."""


@dataclass(frozen=True)
class Context:
    """Values that a config hands down while it is built: boundary, backend, dtype, device, and the current path.

    Args:
        boundary: the domain of every energy and discrepancy.
        backend: what sums pairs, a name or an instance.
        tolerance: the error that sums may have; None for exact ones.
        dtype: dtype of tensors of points and weights.
        device: their device.
        energy: of the run, for what observes it.
        path: path of the field that is being built.
    """

    boundary: Boundary = field(default_factory=OpenBoundary)
    backend: str | Backend = "auto"
    tolerance: float | None = None
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    energy: Energy | None = None
    path: Path = ()

    def at(self, *names: str | int) -> Context:
        """Return this context with a longer path."""
        return replace(self, path=(*self.path, *names))

    def check_backend(self, dimension: int) -> None:
        """Raise `InvalidConfigError` for a backend without an option that it needs for sums in so many dimensions."""
        backend = backend_of(backend_key(self.backend))
        lacking = backend.missing_option(dimension, self.tolerance)
        if lacking is not None:
            path = ("backend", lacking.argument)
            raise InvalidConfigError([ConfigIssue(path, str(lacking.came), lacking.wanted, lacking.remedy)])

    @contextmanager
    def reporting(self, fields: Mapping[str, str]) -> Iterator[None]:
        """Turn an `ArgumentError` into an `InvalidConfigError` with the path of the field.

        Args:
            fields: the field of each argument.
        """
        try:
            yield
        except ArgumentError as error:
            own = (fields[error.argument],) if error.argument in fields else ()
            came = str(error.came) if own else f"{error.came} as its `{error.argument}`"
            raise InvalidConfigError([ConfigIssue((*self.path, *own), came, error.wanted, error.remedy)]) from error


def check_squares(built: Parametrised, dtype: torch.dtype) -> None:
    """Raise `ArgumentError` for a positive parameter whose square is 0 or infinite in the dtype of a run."""
    for name in sorted(built._positive):
        value: torch.Tensor = getattr(built, name).detach()
        squares = value.to(dtype).square()
        if not bool((squares.isfinite() & (squares >= torch.finfo(dtype).tiny)).all()):
            smallest, largest = (limit**0.5 for limit in (torch.finfo(dtype).tiny, torch.finfo(dtype).max))
            wanted = f"numbers from {smallest:.0e} to {largest:.0e}, whose squares {str(dtype)[6:]} can hold"
            raise ArgumentError(name, came=value.tolist(), wanted=wanted, remedy="Take other units of length.")


def check_memory(path: Path, count: int, dimension: int, dtype: torch.dtype) -> None:
    """Raise `InvalidConfigError` for more particles than the memory of this machine can move."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = _COPIES * dtype.itemsize * count * dimension
    if needed > memory:
        came = f"{count} points of {dimension} coordinates, which take {needed / 1e9:.3g} GB to move"
        wanted = f"as many as the {memory / 1e9:.3g} GB of memory of this machine can hold"
        raise InvalidConfigError([ConfigIssue(path, came, wanted)])


SCALE = "scale"
"""Field of every kernel and every energy: the number that multiplies it."""


class Family:
    """Registered subclasses of a base class, by ``kind``.

    As the metadata of an `Annotated` field it makes pydantic pick the model by ``kind``. The choice is looked up at
    every validation, so a class that is registered later is found by the models that exist already.

    Args:
        name: what the family is called in messages and in the JSON schema.
        base: the class that all members derive from.
        scaled: the member that multiplies another by a number; configs write it as the field ``scale``.
        inherited: arguments of constructors that come from the root of the config instead of a field.
        squared: its positive parameters are squared in the dtype of the run, as lengths are.
        extras: fields that every config of the family has beside the arguments, as `pydantic.create_model` takes them.
    """

    by_base: ClassVar[dict[type, Family]] = {}

    def __init__(
        self,
        name: str,
        base: type,
        *,
        scaled: type | None = None,
        inherited: frozenset[str] = frozenset(),
        extras: Mapping[str, Any] | None = None,
        squared: bool = False,
    ) -> None:
        self.name = name
        self.base = base
        self.scaled = scaled
        self.inherited = inherited
        self.squared = squared
        scale = (Number, Field(1.0, description=f"a number that multiplies the {name}."))
        self.extras: dict[str, Any] = {**(extras or {}), **({SCALE: scale} if scaled else {})}
        self.models: dict[str, type[ObjectConfig]] = {}

    def parse(self, value: object) -> ObjectConfig:
        """Return the validated model of a mapping with a ``kind``."""
        if any(isinstance(value, model) for model in self.models.values()):
            return value  # type: ignore[return-value]
        kinds = sorted(self.models)
        wanted = "one of " + ", ".join(kinds)
        if not isinstance(value, Mapping):
            return reject(value, f"a mapping with a `kind`, {wanted}", f"Write `{{kind: {kinds[0]}, …}}`.")
        kind = value.get("kind")
        if kind not in kinds:
            reject_fields({("kind",): issue_error(shown(kind), wanted, did_you_mean(kind, kinds))})
        return self.models[str(kind)].model_validate(value)

    def unscaled(self, member: Any) -> tuple[float, Any]:
        """Return the factor and the member of a scaled member: ``(s, a)`` for ``s * a``."""
        factor = 1.0
        inner: Any = member
        while self.scaled is not None and isinstance(inner, self.scaled):
            factor, inner = factor * float(getattr(inner, SCALE)), getattr(inner, self.name)
        return factor, inner

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"family": self.name}  # `interflow.config.json_schema` puts a reference here


def add_family(family: Family) -> Family:
    """Let arguments that are annotated with the family's base be chosen by ``kind``."""
    Family.by_base[family.base] = family
    return family


def family_of(cls: type) -> Family | None:
    """Return the family whose base a class derives from, or None."""
    return next((Family.by_base[base] for base in cls.__mro__ if base in Family.by_base), None)


class Model(BaseModel):
    """A part of a config: immutable, finite numbers, no field that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_fields(cls, data: Any) -> Any:
        """Refuse what ``extra="forbid"`` would, saying which fields there are."""
        known = list(cls.model_fields)
        unknown = [name for name in data if name not in known] if isinstance(data, Mapping) else []
        if unknown:
            wanted = "one of the fields " + ", ".join(known)
            reject_fields(
                {(name,): issue_error("an unknown field", wanted, did_you_mean(name, known)) for name in unknown}
            )
        return data


@dataclass(frozen=True)
class ModelBinding:
    """The class that a model was derived from, and the conversion of its fields to constructor arguments.

    Args:
        cls: the class that is configured.
        family: where it belongs.
        codecs: how each field becomes an argument, and back.
        arguments: the argument of each field, which mostly has the field's name.
        inherited: the arguments that come from the root of the config.
    """

    cls: type
    family: Family
    codecs: Mapping[str, Codec]
    arguments: Mapping[str, str]
    inherited: frozenset[str]


class ObjectConfig(Model):
    """The config of one object, a field for each argument of its constructor; `interflow.config.register` makes it."""

    binding: ClassVar[ModelBinding]

    def build(self, context: Context | None = None) -> Any:
        """Return the object.

        Args:
            context: boundary and backend to hand down; the open space and ``"auto"`` if not given.

        Raises:
            InvalidConfigError: if the constructor refuses an argument; it names the path of the field.
        """
        context, made = context or Context(), self.binding
        arguments = {
            made.arguments[name]: codec.build(getattr(self, name), context.at(name))
            for name, codec in made.codecs.items()
        }
        shared = {name: getattr(context, name) for name in made.inherited}
        with context.reporting({argument: name for name, argument in made.arguments.items()}):
            built = made.cls(**arguments, **shared)
            if made.family.squared:
                check_squares(built, context.dtype)
        scale: float = getattr(self, SCALE) if made.family.scaled else 1.0
        return built if scale == 1.0 else scale * built


FromObject = Callable[[Any], ObjectConfig]


@dataclass(frozen=True)
class Codec:
    """Conversion of one constructor argument from a config field and to it.

    Args:
        type: type of the field in the model.
        build: the argument made of the field's value.
        read: the field's value made of the object's attribute.
    """

    type: Any
    build: Callable[[Any, Context], Any]
    read: Callable[[Any], Any]


def codec(annotation: Any, from_object: FromObject) -> Codec:
    """Return the codec of an annotation.

    Args:
        annotation: of an argument of a constructor, evaluated.
        from_object: gives the model of an object, for arguments that are themselves objects with a config.

    Raises:
        ArgumentError: if nothing in a config could be such an argument.
    """
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and annotation in Family.by_base:
        return Codec(Annotated[Any, Family.by_base[annotation]], _build_object, from_object)
    origin, parameters = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Codec(annotation, _keep, _plain)
    if origin in (Union, types.UnionType) and type(None) in parameters:
        return _optional(codec(reduce(operator.or_, (p for p in parameters if p is not type(None))), from_object))
    if origin is types.UnionType and sum(part in Family.by_base for part in parameters) == 1:
        return codec(next(part for part in parameters if part in Family.by_base), from_object)  # no config has others
    if origin in (list, tuple, Sequence) and set(parameters[1:]) <= {...}:
        return _sequence(codec(parameters[0], from_object))
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
    """Return hyperparameters as float64, whatever the dtype of the positions."""
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
    int: Codec(Integer, _keep, _plain),
    bool: Codec(Boolean, _keep, _plain),
    str: Codec(String, _keep, _plain),
    Tensor: Codec(Array, _points, _decimals),
    float | Tensor: Codec(NumberOrList, _tensor, _plain),
    float | Sequence[float] | Tensor: Codec(NumberOrList, _tensor, _plain),
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
