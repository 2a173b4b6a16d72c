"""A batch is a loop over its members, reduced."""

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance
from tests.discrepancies.clouds import cloud, masses

LOSSES = {
    "gaussian": lambda reduction: MMD(GaussianKernel(0.4), reduction=reduction),
    "unbiased": lambda reduction: MMD(GaussianKernel(0.4), estimator="unbiased", reduction=reduction),
    "torus": lambda reduction: MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0), reduction=reduction),
    "energy distance": lambda reduction: EnergyDistance(reduction=reduction),
}
WEIGHTS = {"uniform": (None, None), "weighted": (masses(batch=(3,)), masses(9, seed=1, batch=(3,)))}

every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES.keys())
every_weighting = pytest.mark.parametrize(("a", "b"), WEIGHTS.values(), ids=WEIGHTS.keys())


def looped(loss, x, y, a, b):
    if a is None:
        return torch.stack([loss(*one) for one in zip(x, y, strict=True)])
    return torch.stack([loss(*one) for one in zip(x, y, a, b, strict=True)])


@every_loss
@every_weighting
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_values_and_gradients_are_those_of_a_loop(make, a, b, reduction):
    loss, reduce = make(reduction), {"none": lambda v: v, "mean": torch.mean, "sum": torch.sum}[reduction]
    x, y = cloud(batch=(3,)).requires_grad_(), cloud(9, seed=1, batch=(3,)).requires_grad_()
    values, expected = loss(x, y, a, b), reduce(looped(loss, x, y, a, b))
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(
        torch.autograd.grad(values.sum(), (x, y)),
        torch.autograd.grad(expected.sum(), (x, y)),
        rtol=1e-9,
        atol=1e-13,
    )


@every_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_one_pair_of_clouds_gives_a_scalar(make, reduction):
    assert make(reduction)(cloud(), cloud(9, seed=1)).shape == ()


@every_loss
def test_equal_batches_are_at_zero_to_the_bit(make):
    x = cloud(batch=(3,))
    loss = make("none")
    if getattr(loss, "estimator", "") == "biased":
        assert torch.equal(loss(x, x.clone()), torch.zeros(3, dtype=x.dtype))
