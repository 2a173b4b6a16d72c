"""What a config has once, at its root, and hands down to whatever is built below it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import torch

from interflow.boundaries import Boundary, OpenBoundary
from interflow.config.problems import InvalidConfigError, Path, Problem
from interflow.energies import Energy
from interflow.errors import ArgumentError
from interflow.parameters import Parametrised
from interflow.sums.backends import Backend

_COPIES: Final = 3
"""Arrays of the size of the positions that a run holds at least: they, a velocity, and the next positions."""


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


def check_squares(built: Parametrised, dtype: torch.dtype) -> None:
    """Raise `ArgumentError` for a positive parameter whose square is 0 or infinite in the dtype of a run."""
    for name in sorted(built._positive):
        value: torch.Tensor = getattr(built, name).detach()
        squares = value.to(dtype).square()
        if not bool((squares.isfinite() & (squares >= torch.finfo(dtype).tiny)).all()):
            smallest, largest = (limit**0.5 for limit in (torch.finfo(dtype).tiny, torch.finfo(dtype).max))
            wanted = f"numbers from {smallest:.0e} to {largest:.0e}, whose squares {str(dtype)[6:]} can hold"
            raise ArgumentError(name, came=value.tolist(), wanted=wanted, remedy="Take other units of length.")


def check_memory(path: Path, count: int, dimension: int, dtype: torch.dtype) -> None:
    """Raise `InvalidConfigError` for more particles than the memory of this machine can move."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = _COPIES * dtype.itemsize * count * dimension
    if needed > memory:
        came = f"{count} points of {dimension} coordinates, which take {needed / 1e9:.3g} GB to move"
        wanted = f"as many as the {memory / 1e9:.3g} GB of memory of this machine can hold"
        raise InvalidConfigError([Problem(path, came, wanted)])
