"""Base classes of the models of a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from interflow.config.context import Context, check_squares
from interflow.config.families import SCALE, Family
from interflow.config.fields import raise_at, wording
from interflow.config.problems import did_you_mean

if TYPE_CHECKING:
    from interflow.config.codecs import Codec


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
            raise_at({(name,): wording("an unknown field", wanted, did_you_mean(name, known)) for name in unknown})
        return data


@dataclass(frozen=True)
class Derivation:
    """What a model was derived from, and how its fields become arguments.

    Args:
        cls: the class that is configured.
        family: where it belongs.
        codecs: how each field becomes an argument, and back.
        arguments: the argument of each field, which mostly has the field's name.
        handed_down: the arguments that come from the root of the config.
    """

    cls: type
    family: Family
    codecs: Mapping[str, Codec]
    arguments: Mapping[str, str]
    handed_down: frozenset[str]


class ObjectConfig(Model):
    """The config of one object, a field for each argument of its constructor; `interflow.config.register` makes it."""

    derivation: ClassVar[Derivation]

    def build(self, context: Context | None = None) -> Any:
        """The object.

        Args:
            context: boundary and backend to hand down; the open space and ``"auto"`` if not given.

        Raises:
            InvalidConfigError: if the constructor refuses an argument; it names the path of the field.
        """
        context, made = context or Context(), self.derivation
        arguments = {
            made.arguments[name]: codec.build(getattr(self, name), context.at(name))
            for name, codec in made.codecs.items()
        }
        shared = {name: getattr(context, name) for name in made.handed_down}
        with context.reporting({argument: name for name, argument in made.arguments.items()}):
            built = made.cls(**arguments, **shared)
            if made.family.squared:
                check_squares(built, context.dtype)
        scale: float = getattr(self, SCALE) if made.family.scaled else 1.0
        return built if scale == 1.0 else scale * built
