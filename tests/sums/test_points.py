"""Points that coincide, cross the seam, lie half a period apart, or are far from the origin."""

from __future__ import annotations

import pytest
import torch

from interflow.boundaries import PeriodicBoundary
from interflow.kernels import DistanceKernel
from interflow.sums import potential, potential_and_field, quadratic
from tests.sums import reference
from tests.sums.cases import KERNELS, SINGULAR, Ring, cloud, excess, signed_weights

FINITE = {**{name: make for name, make in KERNELS.items() if name not in SINGULAR}, "ring": lambda: Ring(0.5)}
every_finite_kernel = pytest.mark.parametrize("name", FINITE)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
exact_backends = pytest.mark.parametrize("backend", ["dense", "compiled", "keops"])


@every_finite_kernel
@every_dtype
def test_coincident_points_have_the_potential_of_zero_and_no_field(name, dtype):
    kernel, x = FINITE[name](), torch.full((3, 2), 0.25, dtype=dtype)
    u, f = potential_and_field(kernel, x, x, backend="dense")
    at_zero = kernel.at_zero()
    assert at_zero is not None
    torch.testing.assert_close(u, at_zero.detach().to(dtype).expand(3), rtol=1e-6, atol=0)
    assert f.count_nonzero() == 0


@every_finite_kernel
@every_dtype
@pytest.mark.parametrize("separation", [0.0, 1e-20])
def test_derivatives_at_points_that_all_but_coincide_are_finite_to_third_order(name, dtype, separation):
    kernel = FINITE[name]()
    x, y = (torch.full((3, 2), part, dtype=dtype, requires_grad=True) for part in (separation, 0.0))
    value = potential(kernel, x, y, backend="dense").sum()
    for _ in range(3):
        slopes = torch.autograd.grad(value, (x, y), create_graph=True, materialize_grads=True)
        assert all(slope.isfinite().all() for slope in slopes)
        value = sum((slope * cloud(3, 2, 0, dtype)).sum() for slope in slopes)
        if not value.requires_grad:
            break


@every_finite_kernel
def test_a_cloud_with_itself_has_finite_first_and_second_derivatives(name):
    kernel, x, w = FINITE[name](), cloud(5, 2, 0).requires_grad_(), signed_weights(5, 1)
    (slope,) = torch.autograd.grad(quadratic(kernel, x, w, backend="dense"), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), x)
    (expected,) = torch.autograd.grad(reference.quadratic(kernel, x, w, self_pairs=False), x, create_graph=True)
    (expected_second,) = torch.autograd.grad(expected.square().sum(), x)
    torch.testing.assert_close(slope, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(second, expected_second, rtol=1e-11, atol=1e-11)


@exact_backends
def test_half_a_period_apart_the_field_is_odd_and_that_of_dense(ran, backend):
    torus, kernel = PeriodicBoundary(1.0), DistanceKernel()
    ties = torch.tensor([[0.0, 0.125], [0.5, 0.125], [0.75, 0.625], [0.25, 0.125], [-0.5, 1.625]], dtype=torch.float64)
    x, y = ties[:, None].expand(5, 5, 2).reshape(-1, 2), ties.repeat(5, 1)
    computed, swapped = (
        torch.cat([field_of_one_pair(kernel, a, b, torus, backend) for a, b in zip(*order, strict=True)])
        for order in ((x, y), (y, x))
    )
    assert ran == {backend}
    torch.testing.assert_close(computed, -swapped, rtol=0, atol=0)
    expected = torch.cat([field_of_one_pair(kernel, a, b, torus, "dense") for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(computed, expected, rtol=1e-14, atol=1e-15)


def field_of_one_pair(kernel, a, b, boundary, backend):
    return potential_and_field(kernel, a[None], b[None], boundary=boundary, backend=backend)[1]


@exact_backends
def test_neighbours_across_the_seam_are_as_near_as_elsewhere(ran, backend):
    torus, kernel = PeriodicBoundary(1.0), DistanceKernel()
    x = torch.tensor([[0.0, 0.0], [1.0 - 2.0**-20, 0.0], [0.5, 0.75]], dtype=torch.float64)
    y = torch.tensor([[1.0 - 2.0**-10, 0.0], [2.0**-10, 1.0 - 2.0**-10]], dtype=torch.float64)
    across = potential_and_field(kernel, x, y, boundary=torus, backend=backend)
    assert ran == {backend}
    inside = potential_and_field(
        kernel, *((p + 0.4375).remainder(1.0) for p in (x, y)), boundary=torus, backend=backend
    )
    torch.testing.assert_close(across, inside, rtol=1e-12, atol=1e-13)
    assert across[0][0].item() == pytest.approx(-(2.0**-10) * (1 + 2**0.5) / 2, rel=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "distance", "morse", "inverse-multiquadric"])
@every_dtype
def test_far_from_the_origin_sums_are_as_accurate_as_near_it(name, dtype):
    kernel, offset = KERNELS[name](), 1e4
    x, y, w = cloud(6, 2, 0).add(offset).to(dtype), cloud(5, 2, 1).add(offset).to(dtype), signed_weights(5, 2, dtype)
    u, f = potential_and_field(kernel, x, y, w, backend="dense")
    pairs = reference.pairs(kernel, x.double() - offset, y.double() - offset)  # exact: the offset has few digits
    assert excess(u, pairs.values @ w.double(), pairs.values, w, dtype) <= 1
    assert excess(f, torch.einsum("ijd,j->id", pairs.slopes, w.double()), pairs.slopes, w, dtype) <= 1
