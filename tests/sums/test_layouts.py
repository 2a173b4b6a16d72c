"""Shapes and memory layouts: batches, strides, single points, no points, and which pairs count."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.kernels import GaussianKernel
from interflow.sums import bilinear, field, potential, potential_and_field, quadratic
from tests.sums import reference
from tests.sums.cases import KERNELS, cloud, signed_weights

KERNEL, TORUS = GaussianKernel(0.3), PeriodicBoundary(1.0)


def both(x, y, weights=None, **options):
    return potential_and_field(KERNEL, x, y, weights, boundary=TORUS, backend="dense", **options)


def test_strided_transposed_and_expanded_inputs_are_read_as_they_are():
    x, y, w = cloud(12, 2, 0)[::2], cloud(2, 5, 1).T, signed_weights(1, 2).expand(5)
    assert not any(tensor.is_contiguous() for tensor in (x, y, w))
    torch.testing.assert_close(both(x, y, w), both(x.contiguous(), y.contiguous(), w.contiguous()), rtol=0, atol=0)
    point = cloud(1, 2, 3)
    torch.testing.assert_close(both(x, point.expand(5, 2), w), both(x, point.repeat(5, 1), w), rtol=0, atol=0)
    backwards = torch.stack([x[:, 1], x[:, 0]]).T.flip(1)
    torch.testing.assert_close(both(backwards, y, w), both(x, y, w), rtol=0, atol=0)


def test_gradients_reach_a_strided_input_through_its_strides():
    whole = cloud(12, 2, 0).requires_grad_()
    loss = quadratic(KERNEL, whole[::2], signed_weights(6, 1), boundary=TORUS, backend="dense")
    (slope,) = torch.autograd.grad(loss, whole)
    assert slope[1::2].count_nonzero() == 0
    assert slope[::2].count_nonzero() == 12


@pytest.mark.parametrize("self_pairs", [True, False])
def test_a_batch_is_summed_cloud_by_cloud(self_pairs):
    x, y = (torch.stack([cloud(6, 2, seed + s) for s in range(3)]) for seed in (0, 10))
    w = torch.stack([signed_weights(6, 20 + s) for s in range(3)])
    u, f = both(x, y, w, self_pairs=self_pairs)
    assert (u.shape, f.shape) == ((3, 6), (3, 6, 2))
    options = {"boundary": TORUS, "backend": "dense"}
    forms = quadratic(KERNEL, x, w, self_pairs=self_pairs, **options), bilinear(KERNEL, x, y, w, w.flip(1), **options)
    for b in range(3):
        torch.testing.assert_close((u[b], f[b]), both(x[b], y[b], w[b], self_pairs=self_pairs))
        torch.testing.assert_close(forms[0][b], quadratic(KERNEL, x[b], w[b], self_pairs=self_pairs, **options))
        torch.testing.assert_close(forms[1][b], bilinear(KERNEL, x[b], y[b], w[b], w[b].flip(0), **options))


def test_gradients_of_a_batch_are_those_of_its_clouds():
    x = torch.stack([cloud(6, 2, s) for s in range(3)]).requires_grad_()
    y = cloud(5, 2, 9).requires_grad_()
    kernel = KERNELS["gaussian"]()

    def gradients(loss):
        return torch.autograd.grad(loss, (x, y, *kernel.parameters()))

    together = potential(kernel, x, y.expand(3, 5, 2), backend="dense").square().sum()
    apart = sum(potential(kernel, x[b], y, backend="dense").square().sum() for b in range(3))
    torch.testing.assert_close(gradients(together), gradients(apart), rtol=1e-11, atol=1e-13)


def test_no_clouds_at_all_give_no_sums():
    u, f = both(torch.zeros(0, 4, 2), torch.zeros(0, 3, 2))
    assert (u.shape, f.shape) == ((0, 4), (0, 4, 2))


def test_one_point_sees_one_point():
    x, y = torch.tensor([[0.1, 0.2]], dtype=torch.float64), torch.tensor([[0.3, 0.9]], dtype=torch.float64)
    u, f = both(x, y)
    delta = torch.tensor([-0.2, 0.3], dtype=torch.float64)
    k = torch.exp(-delta.square().sum() / 0.18)
    torch.testing.assert_close((u[0], f[0]), (k, -k * delta / 0.09), rtol=1e-13, atol=0)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (4, 0)])
def test_empty_sums_are_zero_and_have_zero_gradients(n, m):
    x, y = cloud(n, 2, 0).requires_grad_(), cloud(m, 2, 1).requires_grad_()
    u, f = both(x, y)
    assert (u.shape, f.shape) == ((n,), (n, 2))
    assert u.count_nonzero() == f.count_nonzero() == 0
    total = u.sum() + f.sum() + bilinear(KERNEL, x, y, backend="dense") + quadratic(KERNEL, x[:0], backend="dense")
    assert total.item() == 0.0
    for slope, points in zip(torch.autograd.grad(total, (x, y), materialize_grads=True), (x, y), strict=True):
        assert slope.shape == points.shape
        assert slope.count_nonzero() == 0


def test_weights_are_uniform_unless_given():
    x, y = cloud(6, 2, 0), cloud(5, 2, 1)
    torch.testing.assert_close(both(x, y), both(x, y, torch.full((5,), 0.2, dtype=torch.float64)), rtol=0, atol=0)
    torch.testing.assert_close(quadratic(KERNEL, x), reference.quadratic(KERNEL, x, reference.uniform(x)))
    expected = reference.bilinear(KERNEL, x, y, reference.uniform(x), reference.uniform(y))
    torch.testing.assert_close(bilinear(KERNEL, x, y), expected)


def test_sums_are_linear_in_signed_weights():
    x, y, v, w = cloud(6, 2, 0), cloud(5, 2, 1), signed_weights(5, 2), signed_weights(5, 3)
    for whole, first, second in zip(both(x, y, v - 2.0 * w), both(x, y, v), both(x, y, w), strict=True):
        torch.testing.assert_close(whole, first - 2.0 * second, rtol=1e-12, atol=1e-13)


def test_self_pairs_are_left_out_by_index_and_not_by_distance():
    together = torch.zeros(3, 2, dtype=torch.float64)
    assert potential(KERNEL, together, together, self_pairs=False).tolist() == pytest.approx([2 / 3] * 3)
    assert quadratic(KERNEL, together, self_pairs=False).item() == pytest.approx(6 / 9)


def test_self_pairs_left_out_are_those_of_the_matrix_diagonal_of_two_clouds():
    x, y, w = cloud(6, 2, 0), cloud(6, 2, 1), signed_weights(6, 2)
    u, f = both(x, y, w, self_pairs=False)
    options = {"boundary": TORUS, "self_pairs": False}
    torch.testing.assert_close(u, reference.potential(KERNEL, x, y, w, **options), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(f, reference.field(KERNEL, x, y, w, **options), rtol=1e-12, atol=1e-13)


def test_swapping_the_clouds_transposes_the_sum():
    x, y, a, b = cloud(6, 2, 0), cloud(5, 2, 1), signed_weights(6, 2), signed_weights(5, 3)
    there, back = bilinear(KERNEL, x, y, a, b), bilinear(KERNEL, y, x, b, a)
    torch.testing.assert_close(there, back, rtol=1e-13, atol=1e-14)


def test_forces_between_two_clouds_add_up_to_nothing():
    x, y, a, b = cloud(6, 2, 0), cloud(5, 2, 1), signed_weights(6, 2), signed_weights(5, 3)
    on_x = a @ field(KERNEL, x, y, b, boundary=TORUS)
    on_y = b @ field(KERNEL, y, x, a, boundary=TORUS)
    torch.testing.assert_close(on_x, -on_y, rtol=1e-12, atol=1e-13)


LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "transposed": lambda x: x.T.contiguous().T,
    "every second row": lambda x: x.repeat_interleave(2, 0)[::2],
    "columns of a wider table": lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    "in the middle of memory": lambda x: torch.cat([x.new_zeros(3), x.flatten()])[3:].view(x.shape),
}


@given(
    n=st.integers(0, 9),
    m=st.integers(0, 9),
    dimension=st.integers(1, 12),
    boundary=st.sampled_from([OpenBoundary(), TORUS]),
    layouts=st.tuples(*[st.sampled_from(sorted(LAYOUTS))] * 2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    weighted=st.booleans(),
    self_pairs=st.booleans(),
)
@settings(max_examples=150)
def test_any_shape_and_layout_is_summed_as_the_reference_sums_it(
    n, m, dimension, boundary, layouts, dtype, weighted, self_pairs
):
    x, y = (
        LAYOUTS[layout](cloud(count, dimension, seed, dtype))
        for seed, (layout, count) in enumerate(zip(layouts, (n, m), strict=True))
    )
    weights = signed_weights(m, 2, dtype) if weighted else None
    options = {"boundary": boundary, "self_pairs": self_pairs or n != m}
    u, f = potential_and_field(KERNEL, x, y, weights, backend="dense", **options)
    assert (u.shape, f.shape, u.dtype) == ((n,), (n, dimension), dtype)
    close = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-13}
    torch.testing.assert_close(u.double(), reference.potential(KERNEL, x, y, weights, **options), **close)
    slopes = reference.field(KERNEL, x, y, weights, **options)
    torch.testing.assert_close(f.double(), slopes, rtol=close["rtol"], atol=20 * close["atol"])
