"""Weights that are vectors: ``K·w`` with E columns, and fields of each, in one pass over the pairs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from interflow.boundaries import PeriodicBoundary
from interflow.errors import ArgumentError, BackendError
from interflow.kernels import DistanceKernel, GaussianKernel, MaternKernel
from interflow.sums import (
    Dense,
    backends_used,
    bilinear,
    explain,
    field,
    potential,
    potential_and_field,
    quadratic,
)
from interflow.sums.formula import derive, formula_name
from interflow.sums.optimise import plan
from tests.sums import reference

COUNT = 3
KERNELS = {
    "gaussian": lambda: GaussianKernel(0.7, learnable=True),
    "distance": DistanceKernel,
    "matern": lambda: MaternKernel(sigma=0.8, nu=2.5),
}


def clouds(dimension, *, rows=5, columns=7, count=COUNT, dtype=torch.float64):
    generator = torch.Generator().manual_seed(dimension)
    shapes = (rows, dimension), (columns, dimension), (columns, count)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def exact(kernel, x, y, weights, **options):
    pairs = reference.pairs(kernel, x, y, **options)
    w = weights.double()
    return pairs.values @ w, torch.einsum("ijd,je->ied", pairs.slopes, w)


def assert_sums(kernel, x, y, weights, *, backend, boundary=None, self_pairs=True, rtol=1e-10):
    u, f = exact(kernel, x, y, weights, boundary=boundary, self_pairs=self_pairs)
    options = {"boundary": boundary, "self_pairs": self_pairs, "backend": backend}
    both = potential_and_field(kernel, x, y, weights, **options)
    for came, wanted in zip(both, (u, f), strict=True):
        torch.testing.assert_close(came.double(), wanted, rtol=rtol, atol=rtol)
    torch.testing.assert_close(potential(kernel, x, y, weights, **options), both[0], rtol=rtol, atol=rtol)
    torch.testing.assert_close(field(kernel, x, y, weights, **options), both[1], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dimension", [1, 2, 9])
def test_the_sums_are_those_of_each_column_of_the_weights(name, dimension):
    x, y, weights = clouds(dimension)
    assert_sums(KERNELS[name](), x, y, weights, backend="dense")


@pytest.mark.parametrize("backend", ["compiled", "keops"])
def test_a_generated_loop_gives_the_same(backend):
    if backend == "keops":
        pytest.importorskip("pykeops")
    x, y, weights = clouds(2, rows=7)
    came = potential_and_field(GaussianKernel(0.7), x, y, weights, self_pairs=False, backend=backend)
    torch.testing.assert_close(came, exact(GaussianKernel(0.7), x, y, weights, self_pairs=False))


@pytest.mark.parametrize("dimension", [2, 9])
@pytest.mark.parametrize("self_pairs", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tiles_are_multiplied_by_the_weights(dimension, self_pairs, dtype):
    x, y, weights = clouds(dimension, rows=40, columns=40, dtype=dtype)
    rtol = 1e-10 if dtype == torch.float64 else 2e-4
    assert_sums(GaussianKernel(0.7), x, y, weights, backend=Dense(tile=16), self_pairs=self_pairs, rtol=rtol)


@pytest.mark.parametrize("self_pairs", [True, False, "images"])
@pytest.mark.parametrize("one_cloud", [True, False])
def test_own_images_count_as_with_weights_that_are_numbers(self_pairs, one_cloud):
    x, y, weights = clouds(2, rows=7)
    y = x if one_cloud else y
    options = {"boundary": PeriodicBoundary(2.0, images="all"), "self_pairs": self_pairs, "backend": "dense"}
    u, f = potential_and_field(GaussianKernel(0.7), x, y, weights, **options)
    for index, column in enumerate(weights.unbind(1)):
        torch.testing.assert_close(u[:, index], potential(GaussianKernel(0.7), x, y, column, **options))
        torch.testing.assert_close(f[:, index], field(GaussianKernel(0.7), x, y, column, **options))


def test_the_axes_of_the_points_tell_a_batch_from_vectors():
    x, y, weights = clouds(2, columns=4, count=4)
    batch = torch.stack([y, y + 1.0, y - 1.0, 2.0 * y])
    rows = x.expand(4, *x.shape)
    kernel = GaussianKernel(0.7)
    assert potential(kernel, x, y, weights).shape == (5, 4)
    assert potential(kernel, rows, batch, weights).shape == (4, 5)  # four clouds of four points, with one weight each
    vectors = torch.stack([weights, weights + 1.0, weights - 1.0, 2.0 * weights])
    u, f = potential_and_field(kernel, rows, batch, vectors)
    for index in range(4):
        alone = potential_and_field(kernel, x, batch[index], vectors[index])
        torch.testing.assert_close((u[index], f[index]), alone)


def test_vectors_of_one_component_keep_their_axis():
    x, y, weights = clouds(2, count=1)
    u, f = potential_and_field(GaussianKernel(0.7), x, y, weights)
    torch.testing.assert_close(u, potential(GaussianKernel(0.7), x, y, weights[:, 0])[:, None])
    assert f.shape == (5, 1, 2)


class Sums(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def forward(self, x, y, weights):
        return potential_and_field(self.kernel, x, y, weights, backend="dense")


@pytest.mark.parametrize("dimension", [2, 8])
def test_gradients_are_right_to_the_second_order_in_all_inputs(dimension):
    module = Sums(GaussianKernel(0.9, learnable=True))
    ((name, value),) = module.named_parameters()
    inputs = value, *clouds(dimension, rows=2, columns=3, count=2)
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)

    def sums(value, *tensors):
        return functional_call(module, {name: value}, tensors)

    gradcheck(sums, inputs, check_forward_ad=True)
    gradgradcheck(sums, inputs)


def test_a_column_of_the_weights_can_be_mapped():
    x, y, weights = clouds(2)
    kernel = GaussianKernel(0.7)
    batches = torch.stack([weights, 2.0 * weights])
    mapped = torch.func.vmap(lambda w: potential(kernel, x, y, w, backend="dense"))(batches)
    torch.testing.assert_close(mapped, torch.stack([potential(kernel, x, y, w) for w in batches]))


@pytest.mark.parametrize("derivation", ["", "row_gradient"])
@pytest.mark.parametrize("kernel", [GaussianKernel(0.7), DistanceKernel(), MaternKernel(sigma=0.8, nu=2.5)])
def test_the_formula_computes_the_kernel_once(kernel, derivation):
    def operations(weights):
        name = formula_name(kernel, PeriodicBoundary(1.0), 2, weights=weights)
        inner = plan(derive(name, derivation, range(2)) if derivation else name).inner
        return sum(1 for part in _nodes(inner) if part.per_pair)

    outputs = 2 if derivation else 1
    assert operations(16) - operations(8) == 8 * outputs


def _nodes(outputs):
    seen, stack = set(), list(outputs)
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(current.arguments)
    return seen


@pytest.mark.parametrize(
    ("shape", "came"), [((7, 3, 2), "(7, 3, 2)"), ((3, 7), "(3, 7)"), ((7, 0), "(7, 0)"), ((6,), "(6,)")]
)
def test_other_shapes_are_refused_with_both_that_are_accepted(shape, came):
    x, y, _ = clouds(2)
    for sums in (potential, field, potential_and_field, explain):
        with pytest.raises(ArgumentError) as caught:
            sums(GaussianKernel(0.7), x, y, torch.ones(shape, dtype=torch.float64))
        assert all(part in str(caught.value) for part in ("weights", came, "(7,)", "(7, E)"))


def test_forms_of_measures_take_one_weight_a_point():
    x, y, weights = clouds(2)
    with pytest.raises(ArgumentError, match=r"\(7, 3\).*\(7,\), one weight a point"):
        quadratic(GaussianKernel(0.7), y, weights)
    with pytest.raises(ArgumentError, match=r"\(7, 3\).*\(7,\), one weight a point"):
        bilinear(GaussianKernel(0.7), x, y, y_weights=weights)


@pytest.mark.parametrize(
    ("backend", "kernel", "dimension"),
    [("fourier", GaussianKernel(0.7), 2), ("nufft", GaussianKernel(0.7), 2), ("sorted", DistanceKernel(), 1)],
)
def test_fast_backends_refuse_them_with_the_reason(backend, kernel, dimension):
    if backend == "nufft":
        pytest.importorskip("finufft")
    x, y, weights = clouds(dimension)
    with pytest.raises(BackendError, match="one weight a point, and here each has 3"):
        potential(kernel, x, y, weights, backend=backend, tolerance=1e-3)


def test_auto_never_takes_a_fast_backend_for_them():
    points = torch.randn(3000, 1, dtype=torch.float64)
    kernel = DistanceKernel()
    assert explain(kernel, points, points, points[:, 0], backend="auto").backend == "sorted"
    told = explain(kernel, points, points, points.expand(3000, 3), backend="auto")
    assert told.backend in ("dense", "compiled", "keops")
    with backends_used() as used:
        potential(kernel, points[:100], points[:100], points[:100].expand(100, 2))
    assert used.keys() <= {"dense", "compiled", "keops"}


def test_the_check_of_the_promise_covers_them():
    x, y, weights = clouds(2, rows=7)
    potential_and_field(GaussianKernel(0.7), x, y, weights, backend="dense", check=True)
