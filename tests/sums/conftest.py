"""Which backends ran."""

from __future__ import annotations

import pytest

from interflow.sums import Backend, Compiled, Dense, Keops


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the backends that have summed since the test began."""
    names: set[str] = set()

    def watch(backend: type[Backend]) -> None:
        original = backend.run

        def run(self, job):
            names.add(self.name)
            return original(self, job)

        monkeypatch.setattr(backend, "run", run)

    for backend in (Dense, Compiled, Keops):
        watch(backend)
    return names
