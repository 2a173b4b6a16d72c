"""The kinds that configs may name, and both ways between a config and a live object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any, TypeVar

from torch import nn

from interflow.config.derivation import derive
from interflow.config.families import SCALE, Family, family_of
from interflow.errors import ArgumentError, ConfigError

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
        >>> fl.config.of(Ring(0.5))
        RingConfig(kind='ring', scale=1.0, radius=0.5)
    """

    def add(cls: ClassT) -> ClassT:
        family = family_of(cls)
        if family is None:
            bases = ", ".join(base.__name__ for base in Family.by_base)
            raise ArgumentError("cls", came=cls.__name__, wanted=f"a class derived from one of {bases}")
        taken = family.models[kind].derivation.cls if kind in family.models else cls
        if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):  # a cell may run twice
            came = f"{kind!r}, which is {taken.__name__}"
            raise ArgumentError("kind", came=came, wanted=f"a new name for a {family.name}")
        family.models[kind] = derive(kind, cls, family, of, names)
        return cls

    return add


@singledispatch
def of(member: Any) -> Any:
    """The config of a kernel, boundary, energy, discrepancy, integrator or backend, or the `SystemConfig` of a system.

    Raises:
        ConfigError: if its class is not registered, or does not keep an argument as an attribute of that name.
    """
    family = family_of(type(member))
    scale, member = family.unscaled(member) if family else (1.0, member)
    models = family.models.values() if family else ()
    model = next((model for model in models if model.derivation.cls is type(member)), None)
    if model is None:
        raise ConfigError(f"{type(member).__name__} has no `kind`. Register it with `fl.config.register`.")
    made = model.derivation
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
