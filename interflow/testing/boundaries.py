"""The laws of a boundary."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.fx.experimental.proxy_tensor import make_fx

from interflow.boundaries import Boundary
from interflow.kernels import GaussianKernel
from interflow.parameters import hyperparameters, substitute
from interflow.sums import potential_and_field
from interflow.testing import reference
from interflow.testing.modules import ModuleSuite
from interflow.testing.reference import DTYPES, scattered, signed_weights, skipped_if_unable

EVERY_DTYPE = [torch.float16, torch.bfloat16, *DTYPES]


class BoundarySuite(ModuleSuite):
    """The laws of a boundary as tests, for a class named ``Test…`` that gives `make`.

    Displacements are odd to the bit and lead from y to x; wrapping ends inside and is then the identity; reflection
    keeps speeds; gradients are right; sums on every backend are those of a float64 reference.

    Attributes:
        dimension: of the points.
        scale: the spread of the points around the origin, most of which should lie outside of the domain.
        backends: those to test; one that cannot run skips its tests, with the reason.

    Example:
        >>> from interflow import PeriodicBoundary
        >>> class TestMyBoundary(BoundarySuite):
        ...     def make(self):
        ...         return PeriodicBoundary(0.7, lower=-0.3)
    """

    dimension: int = 2
    scale: float = 10.0
    backends: Sequence[str] = ("dense", "compiled", "keops")

    @abstractmethod
    def make(self) -> Boundary:
        """A new boundary, alike each time."""

    def behaviour(self, member: Boundary) -> list[Tensor]:
        x, y = self.points(20, 0), self.points(20, 1)
        return [member.wrap(x).detach(), member.displacement(x, y).detach(), member.reflect(x, y)[1].detach()]

    def points(self, count: int, seed: int) -> Tensor:
        """A cloud around the origin, float64."""
        return scattered(count, self.dimension, seed, self.scale)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test that asks for a backend on each of them."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.backends)

    def test_the_displacement_is_odd_to_the_bit(self) -> None:
        boundary, x, y = self.make(), self.points(50, 0), self.points(50, 1)
        assert torch.equal(boundary.displacement(x, y), -boundary.displacement(y, x))

    def test_the_displacement_of_a_point_from_itself_is_zero(self) -> None:
        x = self.points(50, 0)
        assert torch.equal(self.make().displacement(x, x), torch.zeros_like(x))

    def test_the_displacement_leads_from_y_to_x(self) -> None:
        boundary = self.make()
        x, y = (boundary.wrap(self.points(50, seed)) for seed in (0, 1))
        arrived = boundary.wrap(y + boundary.displacement(x, y))
        assert boundary.displacement(arrived, x).abs().max() <= 1e-12 * max(1.0, self.scale)

    def test_points_inside_stay_as_they_are(self) -> None:
        boundary = self.make()
        wrapped = boundary.wrap(self.points(500, 0))
        assert torch.equal(boundary.wrap(wrapped), wrapped)

    @pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
    def test_a_wrapped_point_is_inside_in_every_dtype(self, dtype: torch.dtype) -> None:
        boundary = self.make()
        seams = torch.tensor([[-1e-9], [1e-9], [-1e-30], [1e-30]], dtype=dtype).expand(4, self.dimension)
        wrapped = boundary.wrap(torch.cat([self.points(500, 0).to(dtype), seams]))
        assert wrapped.dtype == dtype
        assert torch.equal(boundary.wrap(wrapped), wrapped)

    def test_where_every_axis_is_periodic_wrapping_keeps_displacements(self) -> None:
        boundary, x, y = self.make(), self.points(200, 0), self.points(200, 1)
        periods = boundary.periods(self.dimension)
        if not bool(periods.isfinite().all()):
            pytest.skip(f"{type(boundary).__name__} has an axis that is not periodic")
        before = boundary.displacement(x, y)
        after = boundary.displacement(boundary.wrap(x), boundary.wrap(y))
        away = (before.abs() - periods / 2).abs() > 1e-9 * periods
        torch.testing.assert_close(after[away], before[away], rtol=0, atol=1e-11 * max(1.0, self.scale))

    @pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
    def test_displacement_and_reflection_keep_the_dtype(self, dtype: torch.dtype) -> None:
        boundary, x = self.make(), self.points(5, 0).to(dtype)
        assert {tensor.dtype for tensor in (boundary.displacement(x, x), *boundary.reflect(x, x))} == {dtype}

    def test_reflection_wraps_positions_and_keeps_speeds(self) -> None:
        boundary, x, v = self.make(), self.points(200, 0), self.points(200, 1)
        inside, after = boundary.reflect(x, v)
        assert torch.equal(inside, boundary.wrap(x))
        torch.testing.assert_close(after.norm(dim=-1), v.norm(dim=-1), rtol=1e-12, atol=0)

    def test_what_is_not_a_number_stays_so(self) -> None:
        boundary, nowhere = self.make(), torch.full((1, self.dimension), torch.nan)
        assert bool(boundary.wrap(nowhere).isnan().all())
        assert bool(boundary.displacement(nowhere, torch.zeros_like(nowhere)).isnan().all())

    def test_gradients_are_those_of_differences(self) -> None:
        boundary, x, y = self.make(), self.points(6, 2).requires_grad_(), self.points(6, 3).requires_grad_()
        assert gradcheck(boundary.displacement, (x, y))
        assert gradcheck(boundary.wrap, (x,))

    def test_any_leading_shape_is_worked_on_point_by_point(self) -> None:
        boundary, x, y = self.make(), self.points(12, 0), self.points(12, 1)
        shape = (2, 3, 2, self.dimension)
        moved = boundary.displacement(x.reshape(shape), y.reshape(shape))
        assert torch.equal(moved.reshape(12, -1), boundary.displacement(x, y))
        assert torch.equal(boundary.wrap(x.reshape(shape)).reshape(12, -1), boundary.wrap(x))
        assert torch.equal(boundary.wrap(torch.stack([x, x], dim=-1)[..., 0]), boundary.wrap(x))
        matrix = boundary.displacement(x[:, None], y[None])
        assert torch.equal(matrix[2, 1], boundary.displacement(x[2], y[1]))

    def test_the_displacement_is_traced_without_looking_at_values(self) -> None:
        boundary, x, y = self.make(), self.points(1, 0)[0], self.points(1, 1)[0]
        values = {name: value.clone() for name, value in hyperparameters(boundary).items()}

        def displacement(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return substitute(boundary, values).displacement(x, y)

        graph = make_fx(displacement)(values, x, y)
        changed = {name: 1.25 * value for name, value in values.items()}
        torch.testing.assert_close(graph(changed, 3 * x, y), displacement(changed, 3 * x, y), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_sums_are_those_of_all_displacements(self, backend: str, dtype: torch.dtype) -> None:
        boundary, kernel, weights = self.make(), GaussianKernel(0.1 * self.scale), signed_weights(5, 2).to(dtype)
        x, y = (boundary.wrap(self.points(count, seed)).to(dtype) for count, seed in ((6, 0), (5, 1)))
        with skipped_if_unable():
            u, f = potential_and_field(kernel, x, y, weights, boundary=boundary, backend=backend)
        expected = reference.sums(kernel, boundary, x, y, weights)
        tolerance = reference.TOLERANCE[dtype]
        assert reference.excess(u, expected.potential, weights, expected.largest[0], tolerance) <= 1
        assert reference.excess(f, expected.field, weights, expected.largest[1], tolerance) <= 1
