"""Configs from YAML files, and back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from interflow.config.assignments import Assignment, assign, parse_assignment
from interflow.config.document import Document, read
from interflow.config.model import Model
from interflow.config.reading import ModelT, validate
from interflow.config.run_config import RunConfig


def load(file: Path | str, assignments: Iterable[str] = ()) -> RunConfig:
    """The config in a YAML file.

    Args:
        file: its path.
        assignments: changes to it, such as ``"run.steps=100"``.

    Raises:
        ConfigError: with one line a problem: the field, what came, what is allowed.
    """
    return configure(read(file), map(parse_assignment, assignments))[0]


def configure(document: Document, assignments: Iterable[Assignment]) -> tuple[RunConfig, Document]:
    """The config in a document after some changes, and the document that knows where its fields were given."""
    return configured(RunConfig, document, assignments)


def configured(model: type[ModelT], document: Document, assignments: Iterable[Assignment]) -> tuple[ModelT, Document]:
    """The same for a config of any kind."""
    for assignment in assignments:
        document = assign(document, assignment)
    with document.located():
        return validate(model, document.data), document


def dump(config: Model) -> str:
    """A config as YAML, every field filled in.

    Example:
        >>> from interflow.config.run_config import Run
        >>> print(dump(Run(steps=200)))
        {steps: 200, save_every: 10, checkpoint_every: 30.0, report_every: null}
        <BLANKLINE>
    """
    data = config.model_dump(mode="json")
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
