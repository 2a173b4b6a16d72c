"""Families of classes that a config names by ``kind``: kernels, boundaries, energies and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from interflow.config.fields import Number, raise_at, refuse, wording
from interflow.config.problems import did_you_mean, shown

if TYPE_CHECKING:
    from interflow.config.model import ObjectConfig


SCALE = "scale"
"""Field of every kernel and every energy: the number that multiplies it."""


class Family:
    """The classes that may stand where a base class is annotated, by ``kind``.

    As the metadata of an `Annotated` field it makes pydantic pick the model by ``kind``. The choice is looked up at
    every validation, so a class that is registered later is found by the models that exist already.

    Args:
        name: what the family is called in messages and in the JSON schema.
        base: the class that all members derive from.
        scaled: the member that multiplies another by a number; configs write it as the field ``scale``.
        handed_down: arguments of constructors that come from the root of the config instead of a field.
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
        handed_down: frozenset[str] = frozenset(),
        extras: Mapping[str, Any] | None = None,
        squared: bool = False,
    ) -> None:
        self.name = name
        self.base = base
        self.scaled = scaled
        self.handed_down = handed_down
        self.squared = squared
        scale = (Number, Field(1.0, description=f"a number that multiplies the {name}."))
        self.extras: dict[str, Any] = {**(extras or {}), **({SCALE: scale} if scaled else {})}
        self.models: dict[str, type[ObjectConfig]] = {}

    def parse(self, value: object) -> ObjectConfig:
        """The model of a mapping with a ``kind``, validated."""
        if any(isinstance(value, model) for model in self.models.values()):
            return value  # type: ignore[return-value]
        kinds = sorted(self.models)
        wanted = "one of " + ", ".join(kinds)
        if not isinstance(value, Mapping):
            return refuse(value, f"a mapping with a `kind`, {wanted}", f"Write `{{kind: {kinds[0]}, …}}`.")
        kind = value.get("kind")
        if kind not in kinds:
            raise_at({("kind",): wording(shown(kind), wanted, did_you_mean(kind, kinds))})
        return self.models[str(kind)].model_validate(value)

    def unscaled(self, member: Any) -> tuple[float, Any]:
        """The factor and the object of a scaled one: ``(s, a)`` for ``s * a``."""
        factor = 1.0
        inner: Any = member
        while self.scaled is not None and isinstance(inner, self.scaled):
            factor, inner = factor * float(getattr(inner, SCALE)), getattr(inner, self.name)
        return factor, inner

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"family": self.name}  # `interflow.config.schema` puts a reference here


def add_family(family: Family) -> Family:
    """Let arguments that are annotated with the family's base be chosen by ``kind``."""
    Family.by_base[family.base] = family
    return family


def family_of(cls: type) -> Family | None:
    """The family of a class, if it derives from the base of one."""
    return next((Family.by_base[base] for base in cls.__mro__ if base in Family.by_base), None)
