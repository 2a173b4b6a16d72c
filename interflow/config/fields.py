"""Types of config fields, and errors for values of another type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from interflow.config.problems import Path, shown


def issue_error(came: str, wanted: str, remedy: str = "") -> PydanticCustomError:
    """Return a pydantic error that `interflow.config.loading` turns into a `ConfigIssue`."""
    return PydanticCustomError("wanted", "{wanted}", {"came": came, "wanted": wanted, "remedy": remedy})


def reject(value: object, wanted: str, remedy: str = "") -> NoReturn:
    """Reject the value of a field."""
    raise issue_error(shown(value), wanted, remedy)


def reject_fields(problems: Mapping[Path, PydanticCustomError]) -> NoReturn:
    """Reject fields below the one that is being validated, by their path from there."""
    details = [InitErrorDetails(type=problem, loc=path, input=None) for path, problem in problems.items()]
    raise ValidationError.from_exception_data("config", details)


_DECIMAL = re.compile(r"\s*[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?\s*")
"""Decimal numbers, without ``1_000`` and ``08``, which Python reads and which are slips more often than numbers."""


def parse_number(value: object) -> float:
    """Return a finite number, also from text: YAML reads ``1e-3`` as a string."""
    result = _number(value)
    return result if math.isfinite(result) else reject(value, "a finite number")


def parse_integer(value: object) -> int:
    """Return a whole number; ``1e5`` is one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    result = _number(value)
    return int(result) if result.is_integer() else reject(value, "a whole number")


def _number(value: object) -> float:
    """Return a number or the number in a text; NaN if there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def parse_boolean(value: object) -> bool:
    """Return true or false; reject 1 and "yes"."""
    return value if isinstance(value, bool) else reject(value, "true or false")


def parse_string(value: object) -> str:
    """Return text."""
    return value if isinstance(value, str) else reject(value, "text")


def parse_number_or_list(value: object) -> float | tuple[float, ...]:
    """Return a number or a tuple of numbers."""
    if isinstance(value, list | tuple):
        return tuple(parse_number(item) for item in value) if value else reject(value, "a number or a list of numbers")
    if isinstance(value, int | float | str):
        return parse_number(value)
    return reject(value, "a number or a list of numbers")


def parse_array(value: object) -> tuple[Any, ...]:
    """Return a tuple of numbers ``(N,)``, or a list of points ``(N, d)`` with as many coordinates each."""
    wanted = "a list of numbers, or a list of points with as many coordinates each"
    if not isinstance(value, list | tuple) or not value:
        return reject(value, wanted)
    if not isinstance(value[0], list | tuple):
        return tuple(parse_number(item) for item in value)
    if any(not isinstance(point, list | tuple) or len(point) != len(value[0]) for point in value):
        return reject(value, wanted)
    return tuple(tuple(parse_number(item) for item in point) for point in value)


Number = Annotated[float, BeforeValidator(parse_number)]
Integer = Annotated[int, BeforeValidator(parse_integer)]
Boolean = Annotated[bool, BeforeValidator(parse_boolean)]
String = Annotated[str, BeforeValidator(parse_string)]
NumberOrList = Annotated[float | tuple[float, ...], BeforeValidator(parse_number_or_list)]
Array = Annotated[tuple[float, ...] | tuple[tuple[float, ...], ...], BeforeValidator(parse_array)]
Count = Annotated[int, Field(ge=1, lt=2**63), BeforeValidator(parse_integer)]
CountFromZero = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(parse_integer)]
Seconds = Annotated[float, Field(ge=0), BeforeValidator(parse_number)]
Seed = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(parse_integer)]
