"""``--set energy.kernel.sigma=0.2``: fields of a config changed from outside."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple

from interflow.config.document import Document, parse_value
from interflow.config.problems import InvalidConfigError, Path, Problem, shown

PLACE = "--set"


class Assignment(NamedTuple):
    """A field and its new value."""

    path: Path
    value: Any


def parse_assignment(text: str) -> Assignment:
    """Read ``a.b=value``; the value is YAML, and a number in the path is an index of a list.

    Example:
        >>> parse_assignment("energy.terms.0.scale=-2").path
        ('energy', 'terms', 0, 'scale')
    """
    field, equals, value = text.partition("=")
    names = field.strip().split(".")
    if not equals or not all(names):
        raise InvalidConfigError([Problem((), shown(text), "an assignment such as run.steps=100", place=PLACE)])
    path = tuple(int(name) if name.isdecimal() else name for name in names)
    return Assignment(path, parse_value(value, PLACE, path))


def assign(document: Document, assignment: Assignment) -> Document:
    """The document with one field changed; sections on the way are made where there are none.

    A new ``kind`` drops the fields of the old one that the new one does not have.

    Raises:
        InvalidConfigError: if the path goes through a value that is no mapping or past the end of a list.
    """
    data = copy.deepcopy(document.data)
    section = _section(data, assignment)
    last = assignment.path[-1]
    if last == "kind" and isinstance(section, dict):
        _drop_fields(section, assignment.value)
    _check(section, last, assignment)
    section[last] = assignment.value
    depth = len(assignment.path)
    kept = {path: place for path, place in document.places.items() if path[:depth] != assignment.path}
    return replace(document, data=data, places={**kept, assignment.path: PLACE})


def _section(data: Any, assignment: Assignment) -> Any:
    """The mapping or list that holds the field."""
    for name in assignment.path[:-1]:
        _check(data, name, assignment)
        data = data.setdefault(name, {}) if isinstance(data, dict) else data[name]
    return data


def _check(section: Any, name: str | int, assignment: Assignment) -> None:
    if isinstance(section, dict) and isinstance(name, str):
        return
    if isinstance(section, list) and isinstance(name, int) and name < len(section):
        return
    entries = f"a list of {len(section)}" if isinstance(section, list) else shown(section)
    wanted = f"something that has an entry `{name}`"
    raise InvalidConfigError([Problem(assignment.path, f"{entries} on the way", wanted, place=PLACE)])


def _drop_fields(section: dict[str, Any], kind: Any) -> None:
    from interflow.config.kinds import Family  # brings torch, which other assignments do without

    kinds = {section.get("kind"), kind} if isinstance(kind, str) else set()
    for family in Family.by_base.values():
        if kinds and kinds <= family.models.keys():
            for name in section.keys() - family.models[kind].model_fields.keys():
                del section[name]
