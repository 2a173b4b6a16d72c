"""The laws of a backend."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

import pytest
import torch
from torch import Tensor

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary
from interflow.kernels import DistanceKernel, GaussianKernel, Kernel
from interflow.sums import Backend, SelfPairs, bilinear, potential, potential_and_field, quadratic
from interflow.testing import reference
from interflow.testing.reference import DTYPES, cloud, signed_weights, skipped_if_unable

Pair = tuple[Callable[[], Kernel], Callable[[], Boundary]]

CASES: Final[dict[str, Pair]] = {
    "gaussian in open space": (partial(GaussianKernel, 0.3, learnable=True), OpenBoundary),
    "gaussian on the torus": (partial(GaussianKernel, 0.1, learnable=True), partial(PeriodicBoundary, 1.0)),
    "distance in open space": (DistanceKernel, OpenBoundary),
}


class BackendSuite(ABC):
    """The laws of a backend as tests, for a class named ``Test…`` that gives `make`.

    Each case is a kernel and a domain. Values, fields, forms and their derivatives to second order are those of a
    float64 reference, within what is promised; a case that the backend cannot run is refused with the reason, and its
    tests are skipped with it. At least one must run.

    Attributes:
        dimension: of the points.
        cases: functions that make a kernel and its domain, by name.
        tolerance: what sums are asked for; None for exact ones.

    Example:
        >>> from interflow import Dense
        >>> class TestMyBackend(BackendSuite):
        ...     def make(self):
        ...         return Dense(tile=16)
    """

    dimension: int = 2
    cases: ClassVar[Mapping[str, Pair]] = CASES
    tolerance: float | None = None

    @abstractmethod
    def make(self) -> Backend:
        """The backend, with its options."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test that asks for a case on each of them."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases)

    def test_it_can_run_something(self) -> None:
        reasons = []
        for make_kernel, make_boundary in self.cases.values():
            try:
                self._potential(make_kernel(), make_boundary(), *self._clouds(torch.float64))
            except RuntimeError as error:
                reasons.append(str(error))
        assert len(reasons) < len(self.cases), reasons

    def test_equal_options_make_equal_backends(self) -> None:
        backend = self.make()
        assert backend == self.make() == pickle.loads(pickle.dumps(backend))
        assert hash(backend) == hash(self.make())
        assert repr(backend) == repr(self.make())

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_potential_and_field_are_those_of_the_matrix(self, case: str, dtype: torch.dtype) -> None:
        kernel, boundary = self._made(case)
        x, y, w = self._clouds(dtype)
        with skipped_if_unable():
            u, f = potential_and_field(
                kernel, x, y, w, boundary=boundary, backend=self.make(), tolerance=self.tolerance
            )
        expected = reference.sums(kernel, boundary, x, y, w)
        assert u.dtype == f.dtype == dtype
        largest = [self._largest(kernel, expected, order) for order in range(2)]
        assert reference.excess(u, expected.potential, w, largest[0], self._error(dtype)) <= 1
        assert reference.excess(f, expected.field, w, largest[1], self._error(dtype)) <= 1

    def test_derivatives_to_second_order_are_those_of_the_matrix(self, case: str) -> None:
        kernel, boundary = self._made(case)
        values = self._clouds(torch.float64)
        with skipped_if_unable():
            found = reference.derivatives(partial(self._potential, kernel, boundary), kernel, values)
        expected = reference.derivatives(
            lambda x, y, w: reference.sums(kernel, boundary, x, y, w).potential, kernel, values
        )
        for order in range(2):
            assert reference.distance(found[order], expected[order]) <= 1e3 * self._error(torch.float64)

    def test_pairs_of_equal_index_can_be_left_out(self, case: str) -> None:
        kernel, boundary = self._made(case)
        x, _, _ = self._clouds(torch.float64)
        w = signed_weights(len(x), 3)
        options: dict[str, Any] = {"boundary": boundary, "self_pairs": False, "tolerance": self.tolerance}
        with skipped_if_unable():
            found = potential(kernel, x, x, w, backend=self.make(), **options)
        expected = reference.sums(kernel, boundary, x, x, w, self_pairs=False)
        assert reference.excess(found, expected.potential, w, expected.largest[0], self._error(torch.float64)) <= 1

    @pytest.mark.parametrize("self_pairs", [True, False, "images"])
    def test_own_images_count_as_they_are_asked_to(self, self_pairs: SelfPairs) -> None:
        kernel, boundary = GaussianKernel(0.2), PeriodicBoundary(1.0, images="all")
        x, w = cloud(20, self.dimension, 0), signed_weights(20, 3)
        options: dict[str, Any] = {"boundary": boundary, "self_pairs": self_pairs, "tolerance": self.tolerance}
        with skipped_if_unable():
            found = potential(kernel, x, x, w, backend=self.make(), **options)
        expected = reference.sums(kernel, boundary, x, x, w, self_pairs=self_pairs)
        assert reference.excess(found, expected.potential, w, expected.largest[0], self._error(torch.float64)) <= 1

    def test_forms_are_sums_of_potentials(self, case: str) -> None:
        kernel, boundary = self._made(case)
        x, y, b = self._clouds(torch.float64)
        a = signed_weights(len(x), 3)
        options: dict[str, Any] = {"boundary": boundary, "tolerance": self.tolerance}
        with skipped_if_unable():
            within = quadratic(kernel, x, a, backend=self.make(), **options)
            across = bilinear(kernel, x, y, a, b, backend=self.make(), **options)
        for found, points, weights in ((within, x, a), (across, y, b)):
            sums = reference.sums(kernel, boundary, x, points, weights)
            size = sums.largest[0] * float(a.abs().sum() * weights.abs().sum())
            assert abs(found.item() - (a @ sums.potential).item()) <= self._error(torch.float64) * size

    def test_a_batch_is_summed_cloud_by_cloud(self, case: str) -> None:
        kernel, boundary = self._made(case)
        x, y, w = (torch.stack([part, part.flip(0)]) for part in self._clouds(torch.float64))
        with skipped_if_unable():
            found = self._potential(kernel, boundary, x, y, w)
        for member in range(2):
            expected = reference.sums(kernel, boundary, x[member], y[member], w[member])
            allowed = self._error(torch.float64)
            assert reference.excess(found[member], expected.potential, w[member], expected.largest[0], allowed) <= 1

    @pytest.mark.parametrize(("rows", "columns"), [(0, 3), (3, 0), (1, 1)])
    def test_few_points_are_ordinary(self, case: str, rows: int, columns: int) -> None:
        kernel, boundary = self._made(case)
        x, y, w = cloud(rows, self.dimension, 0), cloud(columns, self.dimension, 1), signed_weights(columns, 2)
        with skipped_if_unable():
            found = self._potential(kernel, boundary, x, y, w)
        expected = reference.sums(kernel, boundary, x, y, w)
        assert found.shape == (rows,)
        largest = self._largest(kernel, expected, 0)
        assert reference.excess(found, expected.potential, w, largest, self._error(torch.float64)) <= 1

    def test_strided_clouds_are_summed_as_contiguous_ones(self, case: str) -> None:
        kernel, boundary = self._made(case)
        x, y, w = self._clouds(torch.float64)
        strided = x.repeat(1, 2)[:, : self.dimension], y.mT.contiguous().mT, w.repeat_interleave(2)[::2]
        with skipped_if_unable():
            found, expected = (self._potential(kernel, boundary, *parts) for parts in (strided, (x, y, w)))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)

    def _made(self, case: str) -> tuple[Kernel, Boundary]:
        make_kernel, make_boundary = self.cases[case]
        return make_kernel(), make_boundary()

    def _clouds(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        clouds = cloud(20, self.dimension, 0), cloud(15, self.dimension, 1), signed_weights(15, 2)
        x, y, w = (part.to(dtype) for part in clouds)
        return x, y, w

    def _potential(self, kernel: Kernel, boundary: Boundary, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return potential(kernel, x, y, w, boundary=boundary, backend=self.make(), tolerance=self.tolerance)

    def _largest(self, kernel: Kernel, sums: reference.Sums, order: int) -> float:
        """sup |k|, or sup |∇k|: of the kernel, where it tells it, or on the pairs at hand."""
        supremum = kernel.supremum(order, self.dimension)
        return sums.largest[order] if supremum is None else supremum

    def _error(self, dtype: torch.dtype) -> float:
        return max(self.tolerance or 0.0, reference.TOLERANCE[dtype])
