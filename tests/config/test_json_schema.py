"""The schema tells all that configs accept."""

import pytest

from interflow.config.fit_config import FitConfig
from interflow.config.json_schema import describe_kind, schema
from interflow.config.model import Family
from interflow.config.problems import InvalidConfigError
from interflow.config.run_config import RunConfig

MODELS = [model for family in Family.by_base.values() for model in family.models.values()]


def references(entry):
    if isinstance(entry, dict):
        yield from [entry["$ref"]] if "$ref" in entry else []
        for value in entry.values():
            yield from references(value)
    elif isinstance(entry, list):
        for item in entry:
            yield from references(item)


@pytest.mark.parametrize("config", [RunConfig, FitConfig])
def test_every_reference_leads_somewhere(config):
    whole = schema(config)
    assert {reference.removeprefix("#/$defs/") for reference in references(whole)} <= whole["$defs"].keys()


def test_every_kind_is_there_and_told_apart_by_its_kind():
    definitions = schema()["$defs"]
    for family in Family.by_base.values():
        for kind in family.models:
            entry = definitions[f"{family.name}.{kind}"]
            assert entry["properties"]["kind"]["const"] == kind
            assert "kind" in entry["required"]
            assert not entry["additionalProperties"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_of_every_kind_is_described(model):
    fields = {name: field.description for name, field in model.model_fields.items() if name != "kind"}
    assert all(fields.values()), fields


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_help_of_a_kind_names_its_fields(model):
    text = describe_kind(model.model_fields["kind"].default)
    assert all(f"  {name}: " in text for name in model.model_fields if name != "kind")


def test_an_unknown_kind_is_answered_with_the_closest_one():
    with pytest.raises(InvalidConfigError, match="Did you mean `gaussian`"):
        describe_kind("gausian")
