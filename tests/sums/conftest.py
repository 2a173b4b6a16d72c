"""Which backends ran."""

from __future__ import annotations

import pytest

from interflow.sums import Compiled, Dense, Keops
from interflow.sums.backends import PairBackend


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the backends that have summed since the test began."""
    names: set[str] = set()

    def watch(backend: type[PairBackend]) -> None:
        original = backend.evaluate

        def evaluate(self, inputs):
            names.add(self.name)
            return original(self, inputs)

        monkeypatch.setattr(backend, "evaluate", evaluate)

    for backend in (Dense, Compiled, Keops):
        watch(backend)
    return names
