"""Issues of a config, a line each: the path of the field, the value, and the allowed values.

This module imports no pydantic, so that a file that is no YAML is rejected without waiting for it.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from interflow.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class ConfigIssue:
    """One issue of a config.

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


_MAX_LINES: Final = 20
"""Issues in a message; whoever mends them meets the others next."""


class InvalidConfigError(ConfigError):
    """A config that cannot be read or built. The message has a line for each of the first of its `problems`.

    Example:
        >>> raise InvalidConfigError([ConfigIssue(("run", "steps"), came="-1", wanted="a whole number, at least 0")])
        Traceback (most recent call last):
        interflow.config.problems.InvalidConfigError: run.steps: got -1, wanted a whole number, at least 0.
    """

    def __init__(self, problems: Iterable[ConfigIssue]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MAX_LINES]]
        rest = len(self.problems) - len(lines)
        super().__init__("\n".join([*lines, *[f"… and {rest} more of the kind."] * bool(rest)]))

    def map(self, change: Callable[[ConfigIssue], ConfigIssue]) -> InvalidConfigError:
        """Return this error with every issue changed."""
        return InvalidConfigError(change(problem) for problem in self.problems)


def shown(value: object) -> str:
    """Return a short text of a value of any size."""
    return "nothing" if value is None else _SHORT.repr(value)


def did_you_mean(name: object, known: Sequence[str]) -> str:
    """Return a question about the closest known name, or empty text."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"Did you mean `{close[0]}`?" if close else ""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
