"""Laws that hold for every kernel discrepancy."""

import pytest
import torch

from interflow import GaussianKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance
from tests.discrepancies.clouds import cloud, masses, plain_mmd

TORUS = PeriodicBoundary(1.0)


def gaussian(sigma):
    return lambda squared: (-squared / (2 * sigma**2)).exp()


def distance(squared):
    return -squared.sqrt()


BIASED = {
    "gaussian": (MMD(GaussianKernel(0.4)), gaussian(0.4), None),
    "gaussian on the torus": (MMD(GaussianKernel(0.1), boundary=TORUS), gaussian(0.1), TORUS),
    "sum of gaussians": (
        MMD(GaussianKernel(0.1) + 0.5 * GaussianKernel(1.0)),
        lambda squared: gaussian(0.1)(squared) + 0.5 * gaussian(1.0)(squared),
        None,
    ),
    "energy distance": (EnergyDistance(), distance, None),
}
LOSSES = {name: loss for name, (loss, _, _) in BIASED.items()} | {
    "gaussian, unbiased": MMD(GaussianKernel(0.4), estimator="unbiased"),
    "energy distance, unbiased": EnergyDistance(estimator="unbiased"),
}
WEIGHTS = {"uniform": (None, None), "weighted": (masses(), masses(9, seed=1))}

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
every_biased_loss = pytest.mark.parametrize(("loss", "k", "boundary"), BIASED.values(), ids=BIASED.keys())
every_weighting = pytest.mark.parametrize(("a", "b"), WEIGHTS.values(), ids=WEIGHTS.keys())


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-14)


@every_biased_loss
@every_weighting
def test_value_is_the_plain_formula(loss, k, boundary, a, b):
    x, y = cloud(), cloud(9, seed=1)
    close(loss(x, y, a, b), plain_mmd(k, x, y, a, b, boundary))


@every_biased_loss
@pytest.mark.parametrize("dimension", [1, 3, 5])
def test_value_is_the_plain_formula_in_any_dimension(loss, k, boundary, dimension):
    x, y = cloud(dimension=dimension), cloud(9, dimension=dimension, seed=1)
    close(loss(x, y), plain_mmd(k, x, y, boundary=boundary))


@every_loss
@every_weighting
def test_symmetry(loss, a, b):
    x, y = cloud(), cloud(9, seed=1)
    close(loss(x, y, a, b), loss(y, x, b, a))


@every_biased_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 12, 333])
def test_equal_clouds_are_at_zero_to_the_bit(loss, k, boundary, dtype, count):
    x, a = cloud(count, dtype=dtype), masses(count, dtype=dtype)
    assert loss(x, x).item() == 0.0
    assert loss(x, x.clone(), a, a.clone()).item() == 0.0


@every_biased_loss
def test_different_clouds_are_apart(loss, k, boundary):
    assert loss(cloud(), cloud(9, seed=1) / 2) > 1e-3


@every_loss
@every_weighting
def test_permutation_of_the_points_changes_nothing(loss, a, b):
    x, y, order = cloud(), cloud(9, seed=1), torch.randperm(12, generator=torch.Generator().manual_seed(4))
    close(loss(x[order], y, None if a is None else a[order], b), loss(x, y, a, b))


@every_loss
def test_translation_of_both_clouds_changes_nothing(loss):
    x, y, shift = cloud(), cloud(9, seed=1), torch.tensor([0.37, -0.61], dtype=torch.float64)
    close(loss(x + shift, y + shift), loss(x, y))


def test_lattice_shifts_of_single_points_change_nothing_on_the_torus():
    loss = LOSSES["gaussian on the torus"]
    x, y = cloud(), cloud(9, seed=1)
    shifts = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(5)).double()
    close(loss(x + shifts, y), loss(x, y))


@every_biased_loss
def test_a_point_given_twice_is_a_point_of_twice_the_weight(loss, k, boundary):
    x, y, a = cloud(), cloud(9, seed=1), masses()
    close(loss(torch.cat([x, x]), y, torch.cat([a, a]) / 2), loss(x, y, a))
    close(loss(torch.cat([x, x]), y), loss(x, y))


@every_loss
def test_a_point_of_zero_weight_changes_nothing(loss):
    x, y, a = cloud(), cloud(9, seed=1), masses()
    more, weights = torch.cat([x, cloud(1, seed=9)]), torch.cat([a, a.new_zeros(1)])
    close(loss(more, y, weights), loss(x, y, a))


@every_loss
def test_uniform_weights_are_the_default(loss):
    x, y = cloud(), cloud(9, seed=1)
    a, b = torch.full((12,), 1 / 12, dtype=x.dtype), torch.full((9,), 1 / 9, dtype=x.dtype)
    close(loss(x, y, a, b), loss(x, y))


@every_loss
def test_weights_are_used_as_given(loss):
    x, y, a, b = cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)
    close(loss(x, y, 3 * a, 3 * b), 9 * loss(x, y, a, b))


@every_loss
@every_weighting
def test_value_and_velocity_are_the_value_and_its_descent(loss, a, b):
    x, y = cloud().requires_grad_(), cloud(9, seed=1)
    expected = loss(x, y, a, b)
    share = 1 / 12 if a is None else a[:, None]
    descent = -torch.autograd.grad(expected, x)[0] / share
    with torch.no_grad():
        value, velocity = loss.value_and_velocity(x, y, a, b)
        close(loss.velocity(x, y, a, b), velocity)
    close(value, expected.detach())
    torch.testing.assert_close(velocity, descent, rtol=1e-9, atol=1e-12)


@every_loss
def test_strided_clouds_are_ordinary(loss):
    x, y = cloud().requires_grad_(), cloud(9, seed=1)
    strided = torch.stack([x, x + 1], -1).transpose(0, 1)[..., 0].T
    assert not strided.is_contiguous()
    close(loss(strided, y), loss(x, y))
    close(torch.autograd.grad(loss(strided, y), x), torch.autograd.grad(loss(x, y), x))


@every_loss
def test_clouds_far_from_the_origin_lose_no_more_than_their_coordinates(loss):
    x, y = cloud(), cloud(9, seed=1)
    offset = 2.0**13
    exact = loss((x + offset) - offset, (y + offset) - offset)
    torch.testing.assert_close(loss(x + offset, y + offset), exact, rtol=1e-9, atol=1e-13)


def test_coincident_points_have_finite_derivatives_of_every_order():
    x = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    for loss in LOSSES.values():
        (first,) = torch.autograd.grad(loss(x, x.detach()), x, create_graph=True)
        (second,) = torch.autograd.grad((first + x).square().sum(), x)
        assert bool(first.isfinite().all())
        assert bool(second.isfinite().all())
