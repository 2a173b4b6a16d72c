"""Derivatives of first and second order in every argument."""

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance
from tests.discrepancies.clouds import cloud, masses

LOSSES = {
    "gaussian": MMD(GaussianKernel(0.4)),
    "gaussian, unbiased": MMD(GaussianKernel(0.4), estimator="unbiased"),
    "gaussian on the torus": MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0)),
    "energy distance": EnergyDistance(),
    "energy distance, unbiased": EnergyDistance(estimator="unbiased"),
}

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
both_orders = pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])


@every_loss
@both_orders
def test_in_both_clouds_and_both_weights(loss, check):
    inputs = [cloud(3), cloud(2, seed=1), masses(3), masses(2, seed=1)]
    assert check(loss, [tensor.requires_grad_() for tensor in inputs])


@every_loss
@both_orders
def test_in_both_clouds_with_uniform_weights(loss, check):
    assert check(loss, [cloud(3).requires_grad_(), cloud(2, seed=1).requires_grad_()])


@both_orders
def test_in_a_batch(check):
    loss = MMD(GaussianKernel(0.4), reduction="none")
    assert check(loss, [cloud(3, batch=(2,)).requires_grad_(), cloud(2, seed=1, batch=(2,)).requires_grad_()])


@both_orders
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_in_the_bandwidth(check, estimator):
    loss = MMD(GaussianKernel(0.4, learnable=True), estimator=estimator)

    def of_bandwidth(log_sigma, x):
        return torch.func.functional_call(loss, {"kernel.log_sigma": log_sigma}, (x, cloud(2, seed=1)))

    log_sigma = torch.tensor(-0.9, dtype=torch.float64, requires_grad=True)
    assert check(of_bandwidth, [log_sigma, cloud(3).requires_grad_()])


@every_loss
def test_of_the_velocity_in_both_clouds_and_both_weights(loss):
    inputs = [cloud(3), cloud(2, seed=1), masses(3), masses(2, seed=1)]
    assert torch.autograd.gradcheck(loss.velocity, [tensor.requires_grad_() for tensor in inputs])


def test_training_a_bandwidth_changes_it():
    loss = MMD(GaussianKernel(0.4, learnable=True))
    loss(cloud(), cloud(9, seed=1)).backward()
    assert loss.kernel.log_sigma.grad.abs() > 0
