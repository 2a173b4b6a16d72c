"""Which backends ran."""

from __future__ import annotations

import pytest

from interflow.sums import Compiled, Dense, Keops
from interflow.sums.backends import Backend


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the backends that have summed since the test began."""
    names: set[str] = set()

    def watch(backend: type[Backend]) -> None:
        original = backend.pair_sum

        def pair_sum(self, pairs):
            names.add(self.name)
            return original(self, pairs)

        monkeypatch.setattr(backend, "pair_sum", pair_sum)

    for backend in (Dense, Compiled, Keops):
        watch(backend)
    return names
