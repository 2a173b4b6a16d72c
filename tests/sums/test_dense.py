"""The matrix kernel × boundary × dimension × dtype on the backend that is always there.

Every pair of two of these values occurs in each run, and their whole product with --full.
"""

from __future__ import annotations

import pytest
import torch

from interflow.sums import Dense, field, potential, potential_and_field
from tests.covers import in_pairs
from tests.sums import reference
from tests.sums.cases import BOUNDARIES, KERNELS, SINGULAR, cloud, excess, signed_weights

DIMENSIONS, DTYPES = [1, 2, 3], [torch.float32, torch.float64]


def clouds(name: str, dimension: int, dtype: torch.dtype = torch.float64):
    """Two clouds, and whether self-pairs count: one cloud twice, without them, for a singular kernel."""
    x = cloud(6, dimension, 0, dtype)
    return (x, x, False) if name in SINGULAR else (x, cloud(5, dimension, 1, dtype), True)


@in_pairs("name, domain, dimension, dtype", list(KERNELS), list(BOUNDARIES), DIMENSIONS, DTYPES)
def test_potential_and_field_are_those_of_the_matrix(ran, name, domain, dimension, dtype):
    kernel, boundary = KERNELS[name](), BOUNDARIES[domain](dimension)
    x, y, self_pairs = clouds(name, dimension, dtype)
    w = signed_weights(len(y), 2, dtype)
    options = {"boundary": boundary, "self_pairs": self_pairs, "backend": "dense"}
    u, f = potential_and_field(kernel, x, y, w, **options)
    pairs = reference.pairs(kernel, x, y, boundary, self_pairs=self_pairs)
    assert ran == {"dense"}
    assert u.dtype == f.dtype == dtype
    assert excess(u, pairs.values @ w.double(), pairs.values, w, dtype) <= 1
    assert excess(f, torch.einsum("ijd,j->id", pairs.slopes, w.double()), pairs.slopes, w, dtype) <= 1
    torch.testing.assert_close(potential(kernel, x, y, w, **options), u)
    torch.testing.assert_close(field(kernel, x, y, w, **options), f)


@in_pairs("name, domain, dimension", list(KERNELS), list(BOUNDARIES), DIMENSIONS)
def test_second_derivatives_are_those_of_the_matrix(ran, name, domain, dimension):
    kernel, boundary = KERNELS[name](), BOUNDARIES[domain](dimension)
    x, y, self_pairs = clouds(name, dimension)
    leaves = [x.clone().requires_grad_(), y.clone().requires_grad_(), signed_weights(len(y), 2).requires_grad_()]
    leaves += kernel.parameters()
    directions = [signed_weights(leaf.numel(), seed).reshape(leaf.shape) for seed, leaf in enumerate(leaves, 3)]

    def second_derivatives(u):
        slopes = torch.autograd.grad(u @ signed_weights(len(x), 20), leaves, create_graph=True)
        along = sum((slope * direction).sum() for slope, direction in zip(slopes, directions, strict=True))
        return torch.cat([part.flatten() for part in torch.autograd.grad(along, leaves)])

    options = {"boundary": boundary, "self_pairs": self_pairs}
    computed = second_derivatives(potential(kernel, *leaves[:3], **options, backend="dense"))
    expected = second_derivatives(reference.potential(kernel, *leaves[:3], **options))
    assert ran == {"dense"}
    assert (computed - expected).norm() <= 1e-12 * expected.norm()


@pytest.mark.parametrize("tile", [1, 2, 3, 64])
@pytest.mark.parametrize("self_pairs", [True, False])
def test_tiles_of_any_size_give_the_same_sum(tile, self_pairs):
    kernel, x, w = KERNELS["gaussian"](), cloud(7, 2, 0), signed_weights(7, 1)
    whole = potential_and_field(kernel, x, x, w, self_pairs=self_pairs, backend="dense")
    tiled = potential_and_field(kernel, x, x, w, self_pairs=self_pairs, backend=Dense(tile=tile))
    torch.testing.assert_close(tiled, whole, rtol=1e-13, atol=1e-14)
