"""Every kernel keeps the laws of `interflow.testing.KernelSuite`: here on `dense`, on all backends with --full."""

from collections.abc import Sequence

import pytest

from interflow.testing import KernelSuite
from tests.sums.cases import KERNELS


class TestEveryKernel(KernelSuite):
    backends: Sequence[str] = ("dense",)

    @pytest.fixture(params=KERNELS, autouse=True)
    def _kernel(self, request):
        self.name = request.param

    def make(self):
        return KERNELS[self.name]()


@pytest.mark.full
class TestEveryKernelOnGeneratedCode(TestEveryKernel):
    backends = ("compiled", "keops")
