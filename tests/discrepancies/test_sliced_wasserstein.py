"""Laws of the sliced Wasserstein distance, and the numbers of other libraries."""

import pytest
import scipy.stats
import torch

from interflow.discrepancies import SlicedWasserstein
from interflow.errors import ArgumentError
from tests.discrepancies.clouds import cloud, masses


def mean_of_lines(x, y, a, b, p, directions):
    """By scipy's distance on each line; for p = 1 alone."""
    values = [
        scipy.stats.wasserstein_distance((x @ line).numpy(), (y @ line).numpy(), a.numpy(), b.numpy())
        for line in directions
    ]
    return sum(values) / len(values)


@pytest.mark.parametrize("weighted", [False, True])
def test_on_a_line_it_is_scipys_wasserstein_distance(weighted):
    x, y = cloud(dimension=1), cloud(9, dimension=1, seed=1)
    a, b = (masses(), masses(9, seed=1)) if weighted else (None, None)
    given = (a.numpy(), b.numpy()) if weighted else ()
    expected = scipy.stats.wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy(), *given)
    assert SlicedWasserstein(p=1)(x, y, a, b).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sampling", ["design", "random", "quasi"])
def test_it_is_the_mean_of_the_lines(sampling):
    x, y, a, b = cloud(dimension=3), cloud(9, dimension=3, seed=1), masses(), masses(9, seed=1)
    loss = SlicedWasserstein(projections=7, p=1, sampling=sampling, seed=5)
    expected = mean_of_lines(x, y, a, b, 1, loss._directions(x))
    assert loss(x, y, a, b).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2, 3, 8])
def test_the_square_of_a_translation_is_its_length_squared_over_the_dimension(dimension):
    x, shift = cloud(dimension=dimension), torch.linspace(1.0, 2.0, dimension, dtype=torch.float64)
    value = SlicedWasserstein(projections=10 * dimension)(x, x + shift)
    assert value.item() == pytest.approx((shift.square().sum() / dimension).item(), rel=1e-10)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_a_power_of_a_dilation_is_a_moment(p):
    x = cloud(dimension=1)
    value = SlicedWasserstein(p=p)(x, 3.0 * x)
    torch.testing.assert_close(value, (2.0 * x).abs().pow(p).mean())


def test_equal_clouds_are_at_zero_and_order_does_not_count():
    x, y = cloud(), cloud(9, seed=1)
    loss = SlicedWasserstein()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(4))
    assert loss(x, x[order]).item() == pytest.approx(0.0, abs=1e-30)
    torch.testing.assert_close(loss(x[order], y), loss(x, y))
    torch.testing.assert_close(loss(x, y), loss(y, x))


def test_a_point_given_twice_is_a_point_of_twice_the_weight_and_none_of_no_weight():
    x, y, a = cloud(), cloud(9, seed=1), masses()
    loss = SlicedWasserstein()
    torch.testing.assert_close(loss(torch.cat([x, x]), y), loss(x, y))
    more, weights = torch.cat([x, cloud(1, seed=9)]), torch.cat([a, a.new_zeros(1)])
    torch.testing.assert_close(loss(more, y, weights), loss(x, y, a))


def test_equal_numbers_and_uniform_weights_take_the_same_value_by_both_ways():
    x, y, a = cloud(), cloud(seed=1), torch.full((12,), 1 / 12, dtype=torch.float64)
    torch.testing.assert_close(SlicedWasserstein()(x, y), SlicedWasserstein()(x, y, a, a))


def test_gradients_in_points_and_weights_are_those_of_difference_quotients():
    x, y = cloud(6).requires_grad_(), cloud(7, seed=1).requires_grad_()
    a, b = masses(6).requires_grad_(), masses(7, seed=1)
    loss = SlicedWasserstein(projections=5)
    assert torch.autograd.gradcheck(lambda x, y, a: loss(x, y, a / a.sum(), b), (x, y, a))
    assert torch.autograd.gradcheck(loss, (x, cloud(6, seed=1).requires_grad_()))
    assert torch.autograd.gradgradcheck(lambda x: loss(x, cloud(6, seed=1)), (x,))


def test_a_batch_is_its_clouds_one_by_one():
    x, y = cloud(batch=(3,)), cloud(9, seed=1, batch=(3,))
    single = torch.stack([SlicedWasserstein()(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(SlicedWasserstein(reduction="none")(x, y), single)
    torch.testing.assert_close(SlicedWasserstein()(x, y), single.mean())
    torch.testing.assert_close(SlicedWasserstein(reduction="sum")(x, y), single.sum())
    torch.testing.assert_close(torch.func.vmap(SlicedWasserstein())(x, y), single)


def test_an_offset_of_both_clouds_changes_nothing():
    x, y = cloud(dtype=torch.float32), cloud(9, seed=1, dtype=torch.float32)
    offset = 2.0**13
    x, y = (x + offset) - offset, (y + offset) - offset
    torch.testing.assert_close(
        SlicedWasserstein()(x + offset, y + offset), SlicedWasserstein()(x, y), rtol=1e-5, atol=0
    )


def test_compiled_it_is_one_graph_with_the_same_value():
    x, y = cloud(), cloud(9, seed=1)
    loss = SlicedWasserstein(projections=3)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, y), loss(x, y))


def test_redrawn_directions_follow_the_points_alone():
    x, y = cloud(), cloud(9, seed=1)
    loss = SlicedWasserstein(projections=2, redraw=True)
    assert loss(x, y).item() == loss(x.clone(), y).item()
    assert abs((loss(x + 1e-9, y) - loss(x, y)).item()) > 1e-6


@pytest.mark.parametrize("options", [{"projections": 0}, {"p": 0.5}, {"sampling": "fan"}, {"reduction": "max"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError):
        SlicedWasserstein(**options)


def test_different_masses_are_refused():
    with pytest.raises(ArgumentError, match="same mass"):
        SlicedWasserstein()(cloud(), cloud(9, seed=1), 2.0 * masses(), None)
