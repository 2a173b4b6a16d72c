"""Every backend keeps the laws of `interflow.testing.BackendSuite`; those that compile do so with --full."""

from functools import partial
from typing import ClassVar

import pytest

from interflow import Auto, Compiled, Dense, Fourier, Keops, Nufft, Sorted
from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.kernels import DistanceKernel, GaussianKernel, LaplacianKernel
from interflow.testing import BackendSuite

ALL_IMAGES = partial(PeriodicBoundary, 1.0, images="all")


class TestDense(BackendSuite):
    def make(self):
        return Dense(tile=8)


class TestAuto(BackendSuite):
    dimension = 12

    def make(self):
        return Auto()


@pytest.mark.full
class TestCompiled(BackendSuite):
    def make(self):
        return Compiled()


@pytest.mark.full
class TestKeops(BackendSuite):
    def make(self):
        return Keops()


class TestSorted(BackendSuite):
    dimension = 1
    cases: ClassVar = {
        "distance on the line": (DistanceKernel, OpenBoundary),
        "laplacian on the line": (partial(LaplacianKernel, 0.2, learnable=True), OpenBoundary),
    }

    def make(self):
        return Sorted()


class TestFourier(BackendSuite):
    tolerance = 1e-6
    cases: ClassVar = {
        "gaussian on the torus": (partial(GaussianKernel, 0.1, learnable=True), ALL_IMAGES),
        "gaussian in the plane": (partial(GaussianKernel, 0.2, learnable=True), OpenBoundary),
    }

    def make(self):
        return Fourier()


class TestNufft(TestFourier):
    def make(self):
        return Nufft()
