"""What a config has once, at its root, and hands down to whatever is built below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from interflow.boundaries import Boundary, OpenBoundary
from interflow.config.problems import InvalidConfigError, Path, Problem
from interflow.energies import Energy
from interflow.errors import ArgumentError
from interflow.sums.backends import Backend


@dataclass(frozen=True)
class Context:
    """The one boundary and the one backend of a config, where tensors live, and where in the config we are.

    Args:
        boundary: the domain of every energy and discrepancy.
        backend: what sums pairs, a name or an instance.
        tolerance: the error that sums may have; None for exact ones.
        dtype: dtype of tensors of points and weights.
        device: their device.
        energy: of the run, for what observes it.
        path: path of the field that is being built.
    """

    boundary: Boundary = field(default_factory=OpenBoundary)
    backend: str | Backend = "auto"
    tolerance: float | None = None
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    energy: Energy | None = None
    path: Path = ()

    def at(self, *names: str | int) -> Context:
        """The same, further down the config."""
        return replace(self, path=(*self.path, *names))

    @contextmanager
    def reporting(self, fields: Mapping[str, str]) -> Iterator[None]:
        """Turn an `ArgumentError` into an `InvalidConfigError` with the path of the field.

        Args:
            fields: the field of each argument.
        """
        try:
            yield
        except ArgumentError as error:
            own = (fields[error.argument],) if error.argument in fields else ()
            came = str(error.came) if own else f"{error.came} as its `{error.argument}`"
            raise InvalidConfigError([Problem((*self.path, *own), came, error.wanted, error.remedy)]) from error
