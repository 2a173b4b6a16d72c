"""The types of fields in a config, and how a value of another type is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from interflow.config.problems import Path, shown


def wording(came: str, wanted: str, remedy: str = "") -> PydanticCustomError:
    """A refusal in our own words; `interflow.config.loading` makes a `Problem` of it."""
    return PydanticCustomError("wanted", "{wanted}", {"came": came, "wanted": wanted, "remedy": remedy})


def refuse(value: object, wanted: str, remedy: str = "") -> NoReturn:
    """Reject the value of a field."""
    raise wording(shown(value), wanted, remedy)


def raise_at(problems: Mapping[Path, PydanticCustomError]) -> NoReturn:
    """Reject fields below the one that is being validated, by their path from there."""
    details = [InitErrorDetails(type=problem, loc=path, input=None) for path, problem in problems.items()]
    raise ValidationError.from_exception_data("config", details)


_DECIMAL = re.compile(r"\s*[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?\s*")
"""Not all that Python reads: ``1_000`` and ``08`` are slips more often than numbers."""


def number(value: object) -> float:
    """A finite number, also from text: YAML reads ``1e-3`` as a string."""
    result = _number(value)
    return result if math.isfinite(result) else refuse(value, "a finite number")


def whole(value: object) -> int:
    """A whole number; ``1e5`` is one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    result = _number(value)
    return int(result) if result.is_integer() else refuse(value, "a whole number")


def _number(value: object) -> float:
    """The number that a value or a text is; NaN if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def truth(value: object) -> bool:
    """True or false, not 1 or "yes"."""
    return value if isinstance(value, bool) else refuse(value, "true or false")


def text(value: object) -> str:
    """Text."""
    return value if isinstance(value, str) else refuse(value, "text")


def number_or_list(value: object) -> float | tuple[float, ...]:
    """A number, or a list of them."""
    if isinstance(value, list | tuple):
        return tuple(number(item) for item in value) if value else refuse(value, "a number or a list of numbers")
    if isinstance(value, int | float | str):
        return number(value)
    return refuse(value, "a number or a list of numbers")


def array(value: object) -> tuple[Any, ...]:
    """A list of numbers ``(N,)``, or a list of points ``(N, d)`` with as many coordinates each."""
    wanted = "a list of numbers, or a list of points with as many coordinates each"
    if not isinstance(value, list | tuple) or not value:
        return refuse(value, wanted)
    if not isinstance(value[0], list | tuple):
        return tuple(number(item) for item in value)
    if any(not isinstance(point, list | tuple) or len(point) != len(value[0]) for point in value):
        return refuse(value, wanted)
    return tuple(tuple(number(item) for item in point) for point in value)


Number = Annotated[float, BeforeValidator(number)]
Whole = Annotated[int, BeforeValidator(whole)]
Truth = Annotated[bool, BeforeValidator(truth)]
Text = Annotated[str, BeforeValidator(text)]
NumberOrList = Annotated[float | tuple[float, ...], BeforeValidator(number_or_list)]
Array = Annotated[tuple[float, ...] | tuple[tuple[float, ...], ...], BeforeValidator(array)]
Count = Annotated[int, Field(ge=1, lt=2**63), BeforeValidator(whole)]
CountFromZero = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(whole)]
Seconds = Annotated[float, Field(ge=0), BeforeValidator(number)]
Seed = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(whole)]
