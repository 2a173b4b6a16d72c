"""KeOps without its printing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_keops() -> Iterator[None]:
    """A block in which KeOps, or what stands on it, is imported without printing."""
    names = ("KEOPS_VERBOSE", "PYKEOPS_VERBOSE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "0"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
