"""The package GeomLoss, imported when it is first needed and without the printing of KeOps, on which it stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from interflow.errors import BackendError


def samples_loss() -> Any:
    """GeomLoss's class ``SamplesLoss``.

    Raises:
        BackendError: if the package is missing.
    """
    with _environment(KEOPS_VERBOSE="0", PYKEOPS_VERBOSE="0"):
        try:
            from geomloss import SamplesLoss
        except ImportError as error:
            raise BackendError(
                "SinkhornDivergence needs the package geomloss, which is not installed: "
                "pip install 'interflow-particles[geomloss]'."
            ) from error
    return SamplesLoss


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables that hold inside the block alone."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
