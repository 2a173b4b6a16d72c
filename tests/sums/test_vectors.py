"""Points with many coordinates, whose pairs are summed by matrix products."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from interflow._torch_compat import OperationMode
from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ProductBoundary
from interflow.discrepancies import MMD, two_sample_test
from interflow.errors import BackendError
from interflow.kernels import DistanceKernel, GaussianKernel, Kernel, LaplacianKernel
from interflow.parameters import PositiveParameter
from interflow.sums import expression, field, potential, potential_and_field
from interflow.sums.formula import MANY_COORDINATES, MOST_WRITTEN_OUT, derive, formula_name, lookup_vectors
from interflow.sums.optimise import plan
from tests.sums.cases import KERNELS, SINGULAR, TOLERANCE, cloud, excess, signed_weights

FEW, MANY = MANY_COORDINATES - 1, MANY_COORDINATES + 2
OUT_OF_LOOPS = MOST_WRITTEN_OUT + 6


def padded(points: Tensor) -> Tensor:
    """The same points with zeros as further coordinates."""
    return torch.cat([points, points.new_zeros(*points.shape[:-1], MANY - FEW)], -1)


def case(name: str) -> tuple[Kernel, Tensor, Tensor, Tensor]:
    """A kernel and two clouds, some of whose points coincide if the kernel allows it."""
    x, y, weights = cloud(11, FEW, 1) * 0.3, cloud(13, FEW, 2) * 0.3, signed_weights(13, 3)
    if name not in SINGULAR:
        y[:3] = x[:3]
        y[3] = x[4] + 1e-5
    return KERNELS[name](), x.requires_grad_(), y.requires_grad_(), weights.requires_grad_()


def orders(kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, pad: bool) -> list[Tensor]:
    """Potential and field, the gradients of a form of both, and those of a form of these gradients."""
    x_points, y_points = (padded(x), padded(y)) if pad else (x, y)
    u, f = potential_and_field(kernel, x_points, y_points, weights, backend="dense")
    f = f[..., :FEW]
    inputs = [x, y, weights, *kernel.parameters()]
    form = (u * torch.linspace(-1, 1, len(u))).sum() + (f * torch.linspace(-1, 1, f.numel()).view_as(f)).sum()
    first = torch.autograd.grad(form, inputs, create_graph=True)
    square = torch.stack([part.square().sum() for part in first]).sum()
    return [u, f, *first, *torch.autograd.grad(square, inputs, allow_unused=True, materialize_grads=True)]


@pytest.mark.parametrize("name", KERNELS)
def test_further_coordinates_that_are_zero_change_nothing_to_second_order(name):
    kernel, x, y, weights = case(name)
    few, many = (orders(kernel, x, y, weights, pad) for pad in (False, True))
    for expected, result in zip(few, many, strict=True):
        assert (result - expected).norm() <= 1e-11 * (expected.norm() + 1e-3 * len(x))


def test_tangents_are_those_of_points_with_few_coordinates():
    kernel, x, y, weights = case("gaussian")
    moved = [torch.randn(part.shape, generator=torch.Generator().manual_seed(4)).double() for part in (x, y, weights)]

    def forms(x: Tensor, y: Tensor, weights: Tensor, pad: bool) -> tuple[Tensor, ...]:
        x, y = (padded(x), padded(y)) if pad else (x, y)
        return potential_and_field(kernel, x, y, weights, backend="dense")

    few, many = (
        torch.func.jvp(lambda *parts, pad=pad: forms(*parts, pad), (x, y, weights), tuple(moved))[1]
        for pad in (False, True)
    )
    assert torch.allclose(few[0], many[0], rtol=1e-12)
    assert torch.allclose(few[1], many[1][..., :FEW], rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("spread", ["even", "clusters", "equal"])
@pytest.mark.parametrize(
    "kernel", [GaussianKernel(3.0), LaplacianKernel(3.0), DistanceKernel()], ids=lambda k: type(k).__name__
)
def test_sums_keep_the_promise_wherever_the_points_are(kernel, spread, offset, dtype):
    x, y = (
        torch.randn(count, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
        for count in (60, 50)
    )
    if spread == "clusters":  # near each other, and far from the mean
        far = torch.zeros(40, dtype=torch.float64)
        far[0] = 300.0
        x, y = x * 0.01 + (x[:, :1] > 0) * far, y * 0.01 + (y[:, :1] > 0) * far
    if spread == "equal":  # apart from one point, so that there is a scale to measure errors by
        x, y = torch.cat([x[:1], x[1:2].expand(59, -1)]), x[1:2].expand(50, -1)
    x, y, weights = (x + offset).to(dtype), (y + offset).to(dtype), signed_weights(50, 1, dtype)
    difference = x.double()[:, None] - y.double()
    distance = difference.norm(dim=-1)
    values = kernel.evaluate((distance,))
    apart = distance.clone().masked_fill_(distance == 0, 1.0).requires_grad_()
    (slope,) = torch.autograd.grad(kernel.evaluate((apart,)).sum(), apart)
    slopes = torch.where(distance == 0, 0.0, slope / apart)[..., None] * difference
    u, f = potential_and_field(kernel, x, y, weights, backend="dense")
    assert excess(u, values @ weights.double(), values, weights, dtype) <= 1
    assert excess(f, torch.einsum("ijk,j->ik", slopes, weights.double()), slopes, weights, dtype) <= 10


def test_a_torus_of_many_coordinates_sees_nearest_images():
    x, y = cloud(5, MANY, 1), cloud(6, MANY, 2)
    kernel, torus = GaussianKernel(1.0), PeriodicBoundary(1.0)
    expected = kernel(x, y, torus).mean(1)
    assert torch.allclose(potential(kernel, x, y, boundary=torus, backend="dense"), expected, rtol=1e-12)


class Stretched(Boundary):
    """A user's own domain, whose displacement is none that is known."""

    def displacement(self, x, y):
        return 2.0 * (x - y)

    def wrap(self, x):
        return x


def slab(dimension: int) -> ProductBoundary:
    """A third of the axes are open, the others of different periods."""
    axes = (
        OpenBoundary() if axis % 3 == 0 else PeriodicBoundary(0.8 + 0.4 * axis / dimension) for axis in range(dimension)
    )
    return ProductBoundary(list(axes))


def brick(dimension: int) -> PeriodicBoundary:
    """Periods and corners of its own for each axis."""
    return PeriodicBoundary(torch.linspace(0.7, 1.3, dimension), torch.linspace(-0.5, 0.5, dimension))


TORI = {"torus": lambda dimension: PeriodicBoundary(1.0), "brick": brick, "slab": slab}
every_torus = pytest.mark.parametrize("make", TORI.values(), ids=TORI)


def wide(kernel: str, dimension: int, *, learnable: bool = False) -> Kernel:
    """A kernel as wide as points of a box of so many coordinates are apart."""
    length = 0.3 * dimension**0.5
    return {"gaussian": GaussianKernel, "laplacian": LaplacianKernel}[kernel](length, learnable=learnable)


@every_torus
@pytest.mark.parametrize(("name", "dimension"), [("gaussian", 1000), ("laplacian", OUT_OF_LOOPS)])
def test_sums_on_a_torus_of_many_coordinates_are_those_of_the_matrix_to_second_order(name, dimension, make):
    kernel, domain = wide(name, dimension), make(dimension)
    x, y, weights = cloud(5, dimension, 1), cloud(6, dimension, 2), signed_weights(6, 3)
    inputs = [x.requires_grad_(), y.requires_grad_(), weights.requires_grad_()]

    def orders(u: Tensor, f: Tensor) -> list[Tensor]:
        form = (u * torch.linspace(-1, 1, len(u))).sum() + (f * torch.linspace(-1, 1, f.numel()).view_as(f)).sum()
        first = torch.autograd.grad(form, inputs, create_graph=True)
        square = torch.stack([part.square().sum() for part in first]).sum()
        return [u, f, *first, *torch.autograd.grad(square, inputs)]

    matrix = kernel(x, y, domain) @ weights
    (slope,) = torch.autograd.grad(matrix.sum(), x, create_graph=True)
    results = orders(*potential_and_field(kernel, x, y, weights, boundary=domain, backend="dense"))
    for ours, right in zip(results, orders(matrix, slope), strict=True):
        assert (ours - right).norm() <= 1e-11 * right.norm()


@every_torus
def test_single_precision_on_a_torus_keeps_the_promise_from_any_period(make):
    domain, kernel = make(OUT_OF_LOOPS), wide("gaussian", OUT_OF_LOOPS)
    periods = domain.periods(OUT_OF_LOOPS)
    turns = torch.where(periods.isinf(), 0.0, periods) * (4.0 * cloud(30, OUT_OF_LOOPS, 3)).round()
    x, y = (cloud(30, OUT_OF_LOOPS, 1) + turns).float(), cloud(900, OUT_OF_LOOPS, 2).float()
    weights = signed_weights(900, 3, torch.float32)
    ours = potential_and_field(kernel, x, y, weights, boundary=domain, backend="dense")
    values = kernel(x.double(), y.double(), domain).detach()
    displacement = domain.displacement(domain.fold(x.double())[:, None], domain.fold(y.double()))
    slopes = -displacement * (values / kernel.sigma.detach() ** 2)[..., None]
    right = values @ weights.double(), torch.einsum("ijk,j->ik", slopes, weights.double())
    for found, expected, summands in zip(ours, right, (values, slopes), strict=True):
        assert excess(found, expected, summands, weights, torch.float32) <= 1


def test_derivatives_by_bandwidth_and_periods_of_many_axes_are_those_of_the_matrix():
    domain, kernel = brick(OUT_OF_LOOPS), wide("gaussian", OUT_OF_LOOPS, learnable=True)
    domain.lengths = PositiveParameter(domain.lengths, learnable=True, per_axis=True)
    x, y = cloud(5, OUT_OF_LOOPS, 1), cloud(6, OUT_OF_LOOPS, 2)
    sums = potential(kernel, x, y, boundary=domain, backend="dense").square().sum()
    matrix = kernel(x, y, domain).mean(1).square().sum()
    inputs = [*domain.parameters(), *kernel.parameters()]
    ours, right = (torch.autograd.grad(value, inputs) for value in (sums, matrix))
    for found, expected in zip(ours, right, strict=True):
        assert expected.norm() > 0
        assert (found - expected).norm() <= 1e-11 * expected.norm()


@pytest.mark.filterwarnings("ignore:.*is not positive definite on this torus")
@every_torus
def test_losses_on_a_torus_of_many_coordinates_are_sums_of_nearest_images(make):
    domain, kernel = make(OUT_OF_LOOPS), wide("gaussian", OUT_OF_LOOPS)
    x, y = cloud(7, OUT_OF_LOOPS, 1), cloud(9, OUT_OF_LOOPS, 2)
    blocks = kernel(x, x, domain).mean(), kernel(y, y, domain).mean(), kernel(x, y, domain).mean()
    expected = blocks[0] + blocks[1] - 2.0 * blocks[2]
    assert torch.allclose(MMD(kernel, boundary=domain)(x, y), expected, rtol=1e-10)
    tested = two_sample_test(x, y, kernel, boundary=domain, permutations=1).statistic
    assert tested == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("written_out", [False, True])
@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_a_formula_on_a_torus_takes_work_in_proportion_to_the_coordinates(name, written_out, monkeypatch):
    work = 0
    walk = expression.topological

    def walked(outputs):
        nonlocal work
        for current in walk(outputs):
            work += 1
            yield current

    for module in list(sys.modules.values()):
        if getattr(module, "topological", None) is walk:
            monkeypatch.setattr(module, "topological", walked)
    counts = []
    first = 111 + 2 * written_out  # of a formula that is not known already
    for dimension in (first, 2 * first):
        before = work
        formula = derive(
            formula_name(wide(name, dimension), PeriodicBoundary(1.0), dimension), "row_gradient", range(dimension)
        )
        assert lookup_vectors(formula) is not None
        if written_out:
            plan(formula)
        counts.append(work - before)
    assert counts[1] <= 2.1 * counts[0]


def test_the_operations_of_a_sum_on_a_torus_do_not_grow_with_the_coordinates():
    def operations(dimension: int) -> int:
        x = cloud(5, dimension, 1)
        with OperationCount() as count:
            field(wide("gaussian", dimension), x, x, boundary=PeriodicBoundary(1.0))
        return count.number

    assert operations(2000) == operations(100)


class OperationCount(OperationMode):
    """Counts what torch carries out."""

    number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.number += 1
        return func(*args, **(kwargs or {}))


def test_batches_are_sums_of_their_own():
    x, y = (torch.randn(3, count, 20, generator=torch.Generator().manual_seed(count)) for count in (5, 7))
    kernel = GaussianKernel(4.0)
    together = field(kernel, x, y, backend="dense")
    alone = torch.stack([field(kernel, a, b, backend="dense") for a, b in zip(x, y, strict=True)])
    assert torch.allclose(together, alone, atol=1e-7)


def test_self_pairs_are_left_out_by_index():
    x = torch.randn(30, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel, weights = GaussianKernel(4.0), signed_weights(30, 1)
    whole, without = (potential(kernel, x, x, weights, self_pairs=pairs, backend="dense") for pairs in (True, False))
    assert torch.allclose(whole - without, weights, atol=TOLERANCE[torch.float64])


def test_thousands_of_coordinates_are_summed():
    x = torch.randn(20, 3000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    field(GaussianKernel(50.0), x, x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("boundary", [None, PeriodicBoundary(10.0), Stretched()], ids=["open", "torus", "own"])
@pytest.mark.parametrize("backend", ["compiled", "keops"])
def test_backends_that_write_out_components_refuse_many_of_them(backend, boundary):
    x = torch.randn(5, 100)
    with pytest.raises(BackendError, match="100 coordinates"):
        field(GaussianKernel(1.0), x, x, boundary=boundary, backend=backend)
