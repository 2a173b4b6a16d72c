"""The laws of a kernel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from interflow.boundaries import Boundary, OpenBoundary
from interflow.kernels import Kernel
from interflow.parameters import hyperparameters, substitute
from interflow.sums import field, potential, potential_and_field, quadratic
from interflow.testing import reference
from interflow.testing.modules import ModuleSuite
from interflow.testing.reference import DTYPES, cloud, signed_weights, skipped_if_unable


class KernelSuite(ModuleSuite):
    """The laws of a kernel as tests, for a class named ``Test…`` that gives `make`.

    Values, fields and their derivatives to second order are those of a float64 reference, on every backend that can
    run the kernel; where points coincide, sums are finite to third order, and second derivatives those of the even part
    of the kernel; layouts, dtypes, copies, saving and configs work.

    Attributes:
        dimension: of the points.
        scale: the side of the cube that the points fill; the kernel should vary over it.
        backends: those to test; one that cannot run the kernel skips its tests, with the reason.

    Example:
        >>> from interflow import GaussianKernel
        >>> class TestMyKernel(KernelSuite):
        ...     def make(self):
        ...         return GaussianKernel(sigma=0.5, learnable=True)
    """

    dimension: int = 2
    scale: float = 1.0
    backends: Sequence[str] = ("dense", "compiled", "keops")

    @abstractmethod
    def make(self) -> Kernel:
        """A new kernel, alike each time."""

    def boundary(self) -> Boundary:
        """The domain to sum in; open space, unless overridden."""
        return OpenBoundary()

    def behaviour(self, member: Kernel) -> list[Tensor]:
        return [member(self.points(4, 0), self.points(5, 1), self.boundary()).detach()]

    def points(self, count: int, seed: int) -> Tensor:
        """A cloud, float64."""
        return cloud(count, self.dimension, seed, self.scale)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test that asks for a backend on each of them."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.backends)

    # --- the formula --------------------------------------------------------------------------------------------------

    def test_a_kernel_that_says_so_is_symmetric(self) -> None:
        kernel, x, y = self.make(), self.points(7, 0), self.points(5, 1)
        if not kernel.symmetric:
            pytest.skip(f"{type(kernel).__name__} does not say that it is symmetric")
        there, back = kernel(x, y, self.boundary()), kernel(y, x, self.boundary()).mT
        torch.testing.assert_close(there, back, rtol=1e-14, atol=0)  # vector and scalar powers differ in the last bit

    def test_a_kernel_that_says_so_is_positive_definite(self) -> None:
        kernel, x = self.make(), self.points(40, 0)
        if not kernel.definite:
            pytest.skip(f"{type(kernel).__name__} does not say that it is positive definite")
        centring = torch.eye(40, dtype=torch.float64) - 1.0 / 40
        eigenvalues = torch.linalg.eigvalsh(centring @ kernel(x, x).detach() @ centring)
        assert eigenvalues.min() >= -1e-12 * eigenvalues.max()

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_the_matrix_has_the_dtype_of_the_positions(self, dtype: torch.dtype) -> None:
        matrix = self.make()(self.points(4, 0).to(dtype), self.points(3, 1).to(dtype), self.boundary())
        assert (matrix.dtype, matrix.shape) == (dtype, (4, 3))

    def test_the_value_at_zero_is_that_of_coincident_points(self) -> None:
        kernel, point = self.make(), torch.zeros(1, self.dimension, dtype=torch.float64)
        value, at_zero = kernel(point, point).detach(), kernel.at_zero(self.dimension)
        if at_zero is None:
            assert not value.isfinite()
        else:
            torch.testing.assert_close(at_zero.detach(), value[0, 0])

    def test_the_formula_is_traced_without_looking_at_values(self) -> None:
        kernel, points = self.make(), (self.points(1, 0)[0], self.points(1, 1)[0])

        def formula(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return substitute(kernel, values).of_points(OpenBoundary(), x, y)

        values = {name: value.detach().double() for name, value in hyperparameters(kernel).items()}
        graph = make_fx(formula)(values, *points)
        changed = {name: 1.1 * value for name, value in values.items()}
        torch.testing.assert_close(graph(changed, *points), formula(changed, *points), rtol=1e-12, atol=0)

    # --- its sums -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_potential_and_field_are_those_of_the_matrix(self, backend: str, dtype: torch.dtype) -> None:
        kernel, boundary, weights = self.make(), self.boundary(), signed_weights(5, 2).to(dtype)
        x, y = self.points(6, 0).to(dtype), self.points(5, 1).to(dtype)
        with skipped_if_unable():
            u, f = potential_and_field(kernel, x, y, weights, boundary=boundary, backend=backend)
        expected = reference.sums(kernel, boundary, x, y, weights)
        assert u.dtype == f.dtype == dtype
        tolerance = reference.TOLERANCE[dtype]
        assert reference.excess(u, expected.potential, weights, expected.largest[0], tolerance) <= 1
        assert reference.excess(f, expected.field, weights, expected.largest[1], tolerance) <= 1

    def test_gradients_to_second_order_are_those_of_the_matrix(self, backend: str) -> None:
        kernel, boundary = self.make(), self.boundary()
        leaves = [self.points(6, 0), self.points(5, 1), signed_weights(5, 2)]
        with skipped_if_unable():
            found = reference.derivatives(
                lambda x, y, w: potential(kernel, x, y, w, boundary=boundary, backend=backend), kernel, leaves
            )
        expected = reference.derivatives(
            lambda x, y, w: reference.sums(kernel, boundary, x, y, w).potential, kernel, leaves
        )
        for order in range(2):
            assert reference.distance(found[order], expected[order]) <= 1e-9

    def test_the_gradient_of_the_field_is_that_of_the_matrix(self, backend: str) -> None:
        kernel, boundary = self.make(), self.boundary()
        leaves = [self.points(6, 0), self.points(5, 1), signed_weights(5, 2)]
        with skipped_if_unable():
            found, _ = reference.derivatives(
                lambda x, y, w: field(kernel, x, y, w, boundary=boundary, backend=backend)[:, 0], kernel, leaves
            )
        expected, _ = reference.derivatives(
            lambda x, y, w: reference.sums(kernel, boundary, x, y, w).field[:, 0], kernel, leaves
        )
        assert reference.distance(found, expected) <= 1e-9

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_sums_are_finite_where_points_coincide_to_every_order(self, dtype: torch.dtype) -> None:
        kernel = self.make()
        if kernel.at_zero(self.dimension) is None:
            pytest.skip(f"{type(kernel).__name__} is singular where points coincide")
        x, y = (torch.full((3, self.dimension), 0.25 * self.scale, dtype=dtype, requires_grad=True) for _ in range(2))
        value = potential(kernel, x, y, boundary=self.boundary(), backend="dense").sum()
        assert value.isfinite()
        for _ in range(3):
            slopes = torch.autograd.grad(value, (x, y), create_graph=True, materialize_grads=True)
            assert all(bool(slope.isfinite().all()) for slope in slopes)
            value = torch.stack([(slope * self.points(3, 0).to(dtype)).sum() for slope in slopes]).sum()
            if not value.requires_grad:
                break

    def test_second_derivatives_of_coincident_points_are_the_limit_along_each_axis(self, backend: str) -> None:
        """Of both directions of an axis the mean, where it has a limit; there, without the first power of r."""
        kernel, zero = self.make(), torch.zeros(1, self.dimension, dtype=torch.float64)
        with skipped_if_unable():
            found = reference.curvatures(lambda x: potential(kernel, x, zero, backend=backend).sum(), zero)
        assert bool(found.isfinite().all())
        if kernel.at_zero(self.dimension) is None:
            pytest.skip(f"{type(kernel).__name__} is singular where points coincide")
        limit, error = reference.limit_of_curvatures(kernel, self.dimension, 1e-3 * self.scale)
        settled = error <= 1e-2 * limit.abs()
        assert bool((settled <= ((found - limit).abs() <= 10.0 * error + 1e-7 * limit.abs())).all())

    def test_strided_clouds_are_summed_as_contiguous_ones(self) -> None:
        wide, w = self.points(6, 0).repeat(1, 2), signed_weights(6, 2)
        x, y = wide[:, : self.dimension], self.points(6, 1).mT.contiguous().mT
        options: dict[str, Any] = {"boundary": self.boundary(), "backend": "dense"}
        assert not x.is_contiguous()
        found = potential_and_field(self.make(), x, y, w, **options)
        expected = potential_and_field(self.make(), x.contiguous(), y.contiguous(), w, **options)
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)

    def test_a_batch_is_summed_cloud_by_cloud(self) -> None:
        x, y, kernel = self.points(12, 0).unflatten(0, (2, 6)), self.points(10, 1).unflatten(0, (2, 5)), self.make()
        options: dict[str, Any] = {"boundary": self.boundary(), "backend": "dense"}
        u, f = potential_and_field(kernel, x, y, **options)
        for member in range(2):
            expected = potential_and_field(kernel, x[member], y[member], **options)
            torch.testing.assert_close((u[member], f[member]), expected, rtol=1e-11, atol=1e-12)

    def test_empty_sums_are_zero(self) -> None:
        u, f = potential_and_field(self.make(), self.points(3, 0), self.points(0, 1), boundary=self.boundary())
        assert u.count_nonzero() == f.count_nonzero() == 0

    def test_self_pairs_are_left_out_by_index(self) -> None:
        kernel, x, w = self.make(), self.points(6, 0), signed_weights(6, 1)
        found = quadratic(kernel, x, w, boundary=self.boundary(), self_pairs=False, backend="dense")
        sums = reference.sums(kernel, self.boundary(), x, x, w, self_pairs=False)
        assert reference.excess(found[None], (w @ sums.potential)[None], w, sums.largest[0], 1e-11) <= 1
