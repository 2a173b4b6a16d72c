"""The types of fields in a config, and what is said of one that is wrong."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from interflow.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        path: keys from the root of the config to the field.
        came: what was given, in words.
        wanted: what is allowed.
        remedy: what to do about it; may be empty.
        place: file and line, where they are known.
    """

    path: Path
    came: str
    wanted: str
    remedy: str = ""
    place: str = ""

    def __str__(self) -> str:
        field = ".".join(map(str, self.path)) or "config"
        where = f"{self.place}: " if self.place else ""
        return f"{where}{field}: got {self.came}, wanted {self.wanted}. {self.remedy}".rstrip()


_MOST_LINES: Final = 20
"""Problems that a message tells; whoever mends them meets the others next."""


class InvalidConfigError(ConfigError):
    """A config that cannot be read or built. The message has a line for each of the first of its `problems`.

    Example:
        >>> raise InvalidConfigError([Problem(("run", "steps"), came="-1", wanted="a whole number, at least 0")])
        Traceback (most recent call last):
        interflow.config.fields.InvalidConfigError: run.steps: got -1, wanted a whole number, at least 0.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MOST_LINES]]
        rest = len(self.problems) - len(lines)
        super().__init__("\n".join([*lines, *[f"… and {rest} more of the kind."] * bool(rest)]))

    def map(self, change: Callable[[Problem], Problem]) -> InvalidConfigError:
        """The same error with every problem changed."""
        return InvalidConfigError(change(problem) for problem in self.problems)


def shown(value: object) -> str:
    """A value as a message shows it: short, whatever its size."""
    return "nothing" if value is None else _SHORT.repr(value)


def did_you_mean(name: object, known: Sequence[str]) -> str:
    """A question about the closest of the known names, or nothing."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"Did you mean `{close[0]}`?" if close else ""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


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
