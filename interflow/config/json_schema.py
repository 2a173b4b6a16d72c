"""The JSON schema of configs, and a short help for each kind."""

from __future__ import annotations

from typing import Any

from interflow.config.model import Family, Model, ObjectConfig
from interflow.config.problems import ConfigIssue, InvalidConfigError, did_you_mean
from interflow.config.run_config import RunConfig

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(config: type[Model] = RunConfig) -> dict[str, Any]:
    """The JSON schema of a config, by default a run's, with all kinds that are registered."""
    definitions: dict[str, Any] = {}
    for family in Family.by_base.values():
        models = {f"{family.name}.{kind}": model for kind, model in family.models.items()}
        definitions[family.name] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in models]}
        definitions.update({name: _with_kind(_linked(model.model_json_schema())) for name, model in models.items()})
    root = config.model_json_schema()
    sections = root.pop("$defs", {})
    return {"$schema": _DIALECT, **_linked(root), "$defs": {**_linked(sections), **definitions}}


def describe_kind(kind: str) -> str:
    """Return the description of a kind and of its fields as text.

    Raises:
        InvalidConfigError: if there is no such kind.
    """
    models = [family.models[kind] for family in Family.by_base.values() if kind in family.models]
    if not models:
        known = sorted({name for family in Family.by_base.values() for name in family.models})
        raise InvalidConfigError(
            [ConfigIssue(("kind",), repr(kind), f"one of {', '.join(known)}", did_you_mean(kind, known))]
        )
    return "\n\n".join(map(_help, models))


def _with_kind(entry: dict[str, Any]) -> dict[str, Any]:
    """A model's schema with ``kind`` required, as it is wherever there is a choice."""
    return {**entry, "required": ["kind", *entry.get("required", [])]}


def _help(model: type[ObjectConfig]) -> str:
    lines = [f"{model.binding.family.name} {model.model_fields['kind'].default}: {model.__doc__}"]
    described = _linked(model.model_json_schema())["properties"]
    for name, field in model.model_fields.items():
        if name != "kind":
            given = "required" if field.is_required() else f"default {field.default}"
            lines.append(f"  {name}: {_type(described[name])}, {given}. {field.description or ''}".rstrip())
    return "\n".join(lines)


def _type(entry: dict[str, Any]) -> str:
    """A type of a JSON schema in words."""
    if "enum" in entry:
        return " or ".join(map(str, entry["enum"]))
    if "anyOf" in entry:
        return " or ".join(map(_type, entry["anyOf"]))
    if "$ref" in entry:
        return f"a mapping with a kind of {entry['$ref'].rpartition('/')[2]}"
    if entry.get("type") == "array":
        items = _type(entry["items"])
        return f"a list of {items}s" if items.isalpha() else f"a list of ({items})"
    return str(entry.get("type", "anything"))


def _linked(entry: Any) -> Any:
    """The schema with a reference in each place where any kind of a family may stand, and short descriptions."""
    if isinstance(entry, list):
        return [_linked(item) for item in entry]
    if not isinstance(entry, dict):
        return entry
    if "family" in entry:
        return {"description": entry.get("description", ""), "$ref": f"#/$defs/{entry['family']}"}
    linked = {key: _linked(value) for key, value in entry.items()}
    if isinstance(entry.get("description"), str):
        linked["description"] = entry["description"].split("\n\n")[0]
    return linked
