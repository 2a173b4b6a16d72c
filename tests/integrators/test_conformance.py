"""Every integrator keeps the laws of `interflow.testing.IntegratorSuite`."""

import pytest

from interflow.testing import IntegratorSuite
from tests.flows import INTEGRATORS


class TestEveryIntegrator(IntegratorSuite):
    @pytest.fixture(params=INTEGRATORS, autouse=True)
    def _integrator(self, request):
        self.name = request.param
        # a differentiable Adam corrects by 1 − 0.999ᵏ in float32
        self.rollout_error = 1e-5 if self.name == "adam" else 1e-12

    def make(self):
        return INTEGRATORS[self.name]()
