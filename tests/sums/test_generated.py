"""The backends that generate code: every kernel on one domain and every domain on one kernel, in two dimensions.

A formula takes seconds to compile, so that the default run looks at two of them.
"""

from __future__ import annotations

import re

import pytest
import torch

from interflow.kernels import DistanceKernel, GaussianKernel, SumKernel
from interflow.sums import Keops, potential, potential_and_field, quadratic
from tests.sums import reference
from tests.sums.cases import BOUNDARIES, KERNELS, SINGULAR, cloud, excess, signed_weights

ALWAYS = {("gaussian", "torus", torch.float32), ("distance", "torus", torch.float64)}
PAIRED = [*((name, "torus") for name in KERNELS), *(("gaussian", domain) for domain in BOUNDARIES if domain != "torus")]


def marked(name: str, domain: str, dtype: torch.dtype):
    marks = [] if (name, domain, dtype) in ALWAYS else [pytest.mark.full]
    return pytest.param(name, domain, dtype, marks=marks, id=f"{name}-{domain}-{dtype}")


CASES = [marked(name, domain, dtype) for name, domain in PAIRED for dtype in (torch.float32, torch.float64)]
every_backend = pytest.mark.parametrize("backend", ["compiled", "keops"])


@every_backend
@pytest.mark.parametrize(("name", "domain", "dtype"), CASES)
def test_potential_and_field_are_those_of_the_matrix(ran, backend, name, domain, dtype):
    kernel, boundary, self_pairs = KERNELS[name](), BOUNDARIES[domain](2), name not in SINGULAR
    x = cloud(6, 2, 0, dtype)
    y = cloud(5, 2, 1, dtype) if self_pairs else x
    w = signed_weights(len(y), 2, dtype)
    u, f = potential_and_field(kernel, x, y, w, boundary=boundary, self_pairs=self_pairs, backend=backend)
    pairs = reference.pairs(kernel, x, y, boundary, self_pairs=self_pairs)
    assert ran == {backend}
    assert u.dtype == f.dtype == dtype
    assert excess(u, pairs.values @ w.double(), pairs.values, w, dtype) <= 1
    assert excess(f, torch.einsum("ijd,j->id", pairs.slopes, w.double()), pairs.slopes, w, dtype) <= 1


@every_backend
@pytest.mark.full
@pytest.mark.parametrize("name", ["gaussian", "distance", "logarithmic-softened"])
def test_second_derivatives_are_those_of_dense(ran, backend, name):
    kernel, x, w = KERNELS[name](), cloud(6, 2, 0).requires_grad_(), signed_weights(6, 1)

    def second_derivatives(backend):
        form = quadratic(kernel, x, w, boundary=BOUNDARIES["torus"](2), self_pairs=False, backend=backend)
        (slope,) = torch.autograd.grad(form, x, create_graph=True)
        return torch.autograd.grad((slope * cloud(6, 2, 3)).sum(), x)[0]

    computed = second_derivatives(backend)
    assert ran == {backend}
    torch.testing.assert_close(computed, second_derivatives("dense"), rtol=1e-11, atol=1e-12)


@pytest.mark.full
@every_backend
def test_batches_are_summed_one_by_one(ran, backend):
    kernel = KERNELS["gaussian"]()
    x, y = torch.stack([cloud(6, 2, seed) for seed in range(3)]), torch.stack([cloud(5, 2, 5 + s) for s in range(3)])
    together = potential_and_field(kernel, x, y, backend=backend)
    assert ran == {backend}
    for b in range(3):
        alone = potential_and_field(kernel, x[b], y[b], backend="dense")
        torch.testing.assert_close((together[0][b], together[1][b]), alone, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "size", ["rows", *(pytest.param(size, marks=pytest.mark.full) for size in ("columns", "parameters"))]
)
def test_batches_are_summed_also_with_as_many_components_as_the_batch_that_a_loop_is_traced_with(ran, size):
    dimension = {"rows": 7, "columns": 6, "parameters": 1}[size]
    kernel = DistanceKernel() if size != "parameters" else SumKernel([GaussianKernel(0.1 * k) for k in range(1, 8)])
    x, y = (torch.stack([cloud(size, dimension, seed) for seed in range(8)]) for size in (6, 5))
    found = potential(kernel, x, y, backend="compiled")
    assert ran == {"compiled"}
    torch.testing.assert_close(found, potential(kernel, x, y, backend="dense"), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("self_pairs", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 5), (6, 1), (1, 1)])
def test_keops_is_given_the_same_program_for_one_point_as_for_several(monkeypatch, rows, columns, self_pairs):
    programs = []

    def reduce(self, summands, pairs, outputs):
        programs.append([re.sub(r"Var\(\d+", "Var(", summand.formula) for summand in summands])
        kernel = (-0.5 * ((pairs.x[:, :, :, None] - pairs.y[:, :2, None]) / 0.3).square().sum(1)).exp()
        return (kernel * pairs.y[:, 2, None]).sum(-1)[:, None]

    monkeypatch.setattr(Keops, "_reduce", reduce)
    kernel, x, y = GaussianKernel(0.3), cloud(6, 2, 0), cloud(6, 2, 1)
    potential(kernel, x, y, self_pairs=self_pairs, backend="keops")
    columns = columns if self_pairs else rows
    options = {"self_pairs": self_pairs}
    found = potential(kernel, x[:rows], y[:columns], backend="keops", **options)
    assert all(program == programs[0] for program in programs)
    if self_pairs or rows == 1:
        torch.testing.assert_close(found, potential(kernel, x[:rows], y[:columns], backend="dense", **options))
