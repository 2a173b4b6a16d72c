"""Every boundary keeps the laws of `interflow.testing.BoundarySuite`."""

import pytest

from interflow.testing import BoundarySuite
from tests.boundaries.cases import BOUNDARIES


class TestEveryBoundary(BoundarySuite):
    backends = ("dense",)

    @pytest.fixture(params=BOUNDARIES, autouse=True)
    def _boundary(self, request):
        self.name = request.param

    def make(self):
        return BOUNDARIES[self.name]
