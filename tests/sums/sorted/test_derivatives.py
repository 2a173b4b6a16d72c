"""Sums over sorted points are differentiated to any order, in points, weights and parameters."""

from itertools import product

import pytest
import torch

from interflow.boundaries import PeriodicBoundary
from interflow.sums import potential, potential_and_field
from interflow.sums.backends.sorted import Sorted
from tests.sums.cases import signed_weights
from tests.sums.sorted.cases import DECAYING, KERNELS, clouds

BOUNDARIES = {"line": None, "circle": PeriodicBoundary(1.0)}
TOO = {("morse", "line"), ("matern-3/2", "circle")}


def derivatives(kernel, x, y, weights, boundary, backend):
    """First and second derivatives of a function of potential and field, by all inputs."""
    inputs = [tensor.clone().requires_grad_() for tensor in (x, y, weights)]
    u, f = potential_and_field(kernel, *inputs, boundary=boundary, backend=backend)
    inputs += list(kernel.parameters())
    total = (u.square().sum() + (f * u[:, None]).sum()) / len(x)
    first = torch.autograd.grad(total, inputs, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs, allow_unused=True)
    return first, [torch.zeros_like(g) if s is None else s for g, s in zip(first, second, strict=True)]


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS.keys())
@pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=BOUNDARIES.keys())
@pytest.mark.parametrize("kind", ["uniform", "across the seam", "duplicated"])
def test_first_and_second_derivatives_are_those_of_dense_sums(make, boundary, kind):
    if kind == "duplicated" and boundary is not None:
        pytest.skip("at exactly half a period the nearest image jumps, and has no derivative")
    kernel, (x, y) = make(), clouds(kind)
    weights = signed_weights(len(y), seed=3)
    found = derivatives(kernel, x, y, weights, boundary, Sorted())
    expected = derivatives(kernel, x, y, weights, boundary, "dense")
    for order in (0, 1):
        for ours, theirs in zip(found[order], expected[order], strict=True):
            scale = theirs.detach().norm() + 1e-9
            torch.testing.assert_close(ours.detach() / scale, theirs.detach() / scale, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        pytest.param(*case, marks=[] if case[1] == "all images" or case in TOO else [pytest.mark.full])
        for case in product(DECAYING, [*BOUNDARIES, "all images"])
    ],
)
def test_gradcheck_and_gradgradcheck(name, domain):
    """Every kernel with all images; of the line and the circle, where it is held to dense sums above, one."""
    kernel, boundary = KERNELS[name](), {**BOUNDARIES, "all images": PeriodicBoundary(1.0, images="all")}[domain]
    x, y = (points[:4].requires_grad_() for points in clouds("uniform"))  # the differences take their number squared
    weights = signed_weights(4, seed=4).requires_grad_()

    def call(x, y, weights, *_):
        return potential(kernel, x, y, weights, boundary=boundary, backend=Sorted())

    inputs = (x, y, weights, *kernel.parameters())
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)
