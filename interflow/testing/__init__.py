"""Conformance suites for kernels, boundaries, integrators and backends of one's own.

A subclass named ``Test…`` writes `make` and inherits the tests; pytest finds it like any other test class. The package
pytest must be installed.
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in ("modules", "kernels", "boundaries")))
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in ("integrators", "backends")))

from interflow.testing.backends import BackendSuite  # noqa: E402 (asserts are rewritten as modules are imported)
from interflow.testing.boundaries import BoundarySuite  # noqa: E402
from interflow.testing.integrators import IntegratorSuite  # noqa: E402
from interflow.testing.kernels import KernelSuite  # noqa: E402

__all__ = ["BackendSuite", "BoundarySuite", "IntegratorSuite", "KernelSuite"]
