"""YAML as plain data with places, and changes to it from outside."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple, NoReturn

import yaml

from interflow.config.problems import ConfigIssue, InvalidConfigError, Path, shown

MAX_BYTES = 256 * 1024
"""Size of a config file [bytes]."""
MAX_STORED_BYTES = 16 * MAX_BYTES
"""Size of a config in a run folder [bytes]: every field is filled in, and each point of a target has a line."""
MAX_DEPTH = 24
"""Depth of nested lists and mappings."""

_PLAIN: Final = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.I),
    "tag:yaml.org,2002:bool": re.compile("true|false", re.I),
    "tag:yaml.org,2002:timestamp": re.compile("(?!)"),
}
"""How numbers and truths are written that mean to every reader what they mean to YAML 1.1, which takes ``010`` for 8,
``1:30`` for 90 and ``no`` for false; dates are no value of a config."""


@dataclass(frozen=True)
class Document:
    """The content of a YAML file, and the place of each of its fields.

    Args:
        data: the mapping at the root.
        name: name of the file, for messages.
        places: where each field was given, such as ``tour.yaml:5``, by its path.
    """

    data: dict[str, Any]
    name: str = ""
    places: dict[Path, str] = field(default_factory=dict)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Add to the issues of a config the places in this document where their fields were given."""
        try:
            yield
        except InvalidConfigError as error:
            raise error.map(self._locate) from None

    def _locate(self, problem: ConfigIssue) -> ConfigIssue:
        ancestors = (problem.path[:end] for end in range(len(problem.path), 0, -1))
        place = next((self.places[path] for path in ancestors if path in self.places), self.name)
        return replace(problem, place=problem.place or place)


def read(file: FilePath | str) -> Document:
    """Read a YAML file.

    Raises:
        InvalidConfigError: if the file cannot be read, is too large or too deep, is not YAML, or has an alias, a tag, a
            repeated key or a key that is not text.
    """
    name = str(file)
    try:
        with open(file, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        return parse(raw.decode(), name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidConfigError([ConfigIssue((), reason.lower(), "a readable YAML file", place=name)]) from None
    except UnicodeDecodeError:
        raise InvalidConfigError(
            [ConfigIssue((), "bytes that are not UTF-8", "a text file in YAML", place=name)]
        ) from None


def parse(text: str, name: str = "", largest: int = MAX_BYTES) -> Document:
    """Read YAML text of at most so many bytes whose root is a mapping; `read` says what is refused.

    Example:
        >>> parse("run: {steps: 200}").data
        {'run': {'steps': 200}}
    """
    data, places = _parse(text, name, largest)
    if not isinstance(data, dict):
        raise InvalidConfigError(
            [ConfigIssue((), shown(data), "a mapping of sections, such as `run: {steps: 200}`", place=name)]
        )
    return Document(data, name, places)


def parse_value(text: str, name: str = "", path: Path = ()) -> Any:
    """Read one YAML value, a number, text, a list or a mapping, of the field at a path."""
    return _parse(text, name, MAX_BYTES, path)[0]


def _parse(text: str, name: str, largest: int, path: Path = ()) -> tuple[Any, dict[Path, str]]:
    if len(text.encode()) > largest:
        raise InvalidConfigError([ConfigIssue((), "a larger one", f"at most {largest} bytes of YAML", place=name)])
    places: dict[Path, str] = {}
    loader = yaml.SafeLoader("")
    try:
        _check_events(text, name)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        data = None if root is None else _Reader(loader, name, places).value(root, path)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InvalidConfigError):
            raise
        raise InvalidConfigError([_syntax_problem(error, name)]) from None
    finally:
        loader.dispose()
    return data, places


def _check_events(text: str, name: str) -> None:
    """Reject anchors, aliases and tags, which could make a small file large or run code, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = _place(name, event.start_mark.line) if event.start_mark else name
        if isinstance(event, yaml.AliasEvent):
            raise InvalidConfigError(
                [ConfigIssue((), f"the alias *{event.anchor}", "every value written out", place=place)]
            )
        if tag := getattr(event, "tag", None):
            raise InvalidConfigError([ConfigIssue((), f"the tag {tag}", "plain YAML without tags", place=place)])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidConfigError([ConfigIssue((), "deeper nesting", f"at most {MAX_DEPTH} levels", place=place)])


@dataclass(frozen=True)
class _Reader:
    """Builds plain data from the nodes of one document, and notes the place of each."""

    loader: yaml.SafeLoader
    name: str
    places: dict[Path, str]

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.places[path] = _place(self.name, node.start_mark.line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        plain = _PLAIN.get(node.tag)
        if plain is None or plain.fullmatch(node.value):
            return self.loader.construct_object(node)
        kind = node.tag.rpartition(":")[2]
        means = "a date" if kind == "timestamp" else yaml.safe_dump(self.loader.construct_object(node)).split("\n")[0]
        written = "" if kind == "timestamp" else f"{means} if that is meant, and "
        return self._refuse(
            path,
            node,
            f"{shown(node.value)}, which YAML takes for {means}",
            "numbers in decimal digits, true or false, and text",
            f"Write {written}'{node.value[:60]}' in quotes for text.",
        )

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:str":
                came = f"the key {shown(key)}" if isinstance(key, str) else "a list or mapping as a key"
                self._refuse(path, key_node, came, "keys that are text")
            if key in result:
                self._refuse((*path, key), key_node, "the key twice", "each key once")
            result[key] = self.value(value_node, (*path, key))
        return result

    def _refuse(self, path: Path, node: yaml.Node, came: str, wanted: str, remedy: str = "") -> NoReturn:
        raise InvalidConfigError([ConfigIssue(path, came, wanted, remedy, _place(self.name, node.start_mark.line))])


def _syntax_problem(error: Exception, name: str) -> ConfigIssue:
    mark = getattr(error, "problem_mark", None)
    came = getattr(error, "problem", None) or str(error).splitlines()[0]
    return ConfigIssue((), f"{came}", "valid YAML", place=_place(name, mark.line) if mark else name)


def _place(name: str, line: int) -> str:
    return f"{name}:{line + 1}" if name else f"line {line + 1}"


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
        raise InvalidConfigError([ConfigIssue((), shown(text), "an assignment such as run.steps=100", place=PLACE)])
    path = tuple(int(name) if name.isdecimal() else name for name in names)
    return Assignment(path, parse_value(value, PLACE, path))


def assign(document: Document, assignment: Assignment) -> Document:
    """Return the document with one field changed; sections on the way are made where there are none.

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
    """Return the mapping or list that holds the field."""
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
    raise InvalidConfigError([ConfigIssue(assignment.path, f"{entries} on the way", wanted, place=PLACE)])


def _drop_fields(section: dict[str, Any], kind: Any) -> None:
    from interflow.config.builtin_kinds import Family  # brings torch, which other assignments do without

    kinds = {section.get("kind"), kind} if isinstance(kind, str) else set()
    for family in Family.by_base.values():
        if kinds and kinds <= family.models.keys():
            for name in section.keys() - family.models[kind].model_fields.keys():
                del section[name]
