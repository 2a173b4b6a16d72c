"""From plain data to models, with every problem on one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from interflow.config.model import Model
from interflow.config.problems import InvalidConfigError, Problem, did_you_mean, shown

ModelT = TypeVar("ModelT", bound=Model)


def validate(model: type[ModelT], data: Any) -> ModelT:
    """The model of some data.

    Raises:
        InvalidConfigError: naming every field that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidConfigError(map(_problem, error.errors(include_url=False))) from None


def _problem(error: ErrorDetails) -> Problem:
    came, wanted, remedy = _WORDINGS.get(error["type"], _other)(error["input"], error.get("ctx", {}), error["msg"])
    return Problem(error["loc"], came, wanted, remedy)


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
