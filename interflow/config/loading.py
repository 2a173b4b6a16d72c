"""Load a config: read it, apply changes, validate, and describe every issue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from interflow.config.document import Assignment, Document, assign, parse_assignment, read
from interflow.config.model import Model
from interflow.config.problems import ConfigIssue, InvalidConfigError, did_you_mean, shown
from interflow.config.run_config import RunConfig

ModelT = TypeVar("ModelT", bound=Model)


def validate(model: type[ModelT], data: Any) -> ModelT:
    """Return the model of plain data.

    Raises:
        InvalidConfigError: naming every field that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidConfigError(map(_issue, error.errors(include_url=False))) from None


def _issue(error: ErrorDetails) -> ConfigIssue:
    came, wanted, remedy = _WORDINGS.get(error["type"], _other)(error["input"], error.get("ctx", {}), error["msg"])
    return ConfigIssue(error["loc"], came, wanted, remedy)


Wording = tuple[str, str, str]


def _own(value: Any, context: dict[str, Any], message: str) -> Wording:
    return context["came"], context["wanted"], context["remedy"]


def _missing(value: Any, context: dict[str, Any], message: str) -> Wording:
    return "nothing", "a value", ""


def _literal(value: Any, context: dict[str, Any], message: str) -> Wording:
    expected = context["expected"]
    return shown(value), expected, did_you_mean(value, expected.replace(" or ", ", ").replace("'", "").split(", "))


def _at_least(value: Any, context: dict[str, Any], message: str) -> Wording:
    return shown(value), f"a number ≥ {context['ge']}", ""


def _below(value: Any, context: dict[str, Any], message: str) -> Wording:
    return shown(value), f"a number < {context['lt']}", ""


def _mapping(value: Any, context: dict[str, Any], message: str) -> Wording:
    return shown(value), "a mapping", ""


def _list(value: Any, context: dict[str, Any], message: str) -> Wording:
    return shown(value), "a list", ""


def _other(value: Any, context: dict[str, Any], message: str) -> Wording:
    return shown(value), message, ""


_WORDINGS: dict[str, Callable[[Any, dict[str, Any], str], Wording]] = {
    "wanted": _own,
    "missing": _missing,
    "literal_error": _literal,
    "greater_than_equal": _at_least,
    "less_than": _below,
    "model_type": _mapping,
    "tuple_type": _list,
}


def load(file: Path | str, assignments: Iterable[str] = ()) -> RunConfig:
    """Return the config in a YAML file.

    Args:
        file: its path.
        assignments: changes to it, such as ``"run.steps=100"``.

    Raises:
        ConfigError: with one line a problem: the field, what came, what is allowed.
    """
    return load_run_config(read(file), map(parse_assignment, assignments))[0]


def load_run_config(document: Document, assignments: Iterable[Assignment]) -> tuple[RunConfig, Document]:
    """Return the run config in a document after some changes, and the document with the places of its fields."""
    return apply_assignments(RunConfig, document, assignments)


def apply_assignments(
    model: type[ModelT], document: Document, assignments: Iterable[Assignment]
) -> tuple[ModelT, Document]:
    """Return the config of a model in a document after some changes, and the document with the places of its fields."""
    for assignment in assignments:
        document = assign(document, assignment)
    with document.located():
        return validate(model, document.data), document


def dump(config: Model) -> str:
    """Return a config as YAML text, every field filled in.

    Example:
        >>> from interflow.config.run_config import Run
        >>> print(dump(Run(steps=200)))
        {steps: 200, save_every: 10, checkpoint_every: 30.0, report_every: null}
        <BLANKLINE>
    """
    data = config.model_dump(mode="json")
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
