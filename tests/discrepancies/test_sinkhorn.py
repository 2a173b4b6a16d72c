"""Laws of the Sinkhorn divergence, with GeomLoss as a peer."""

import geomloss
import ot
import pytest
import torch

from interflow import PeriodicBoundary
from interflow.discrepancies import SinkhornDivergence, sinkhorn
from interflow.errors import ArgumentError, BackendError
from tests.discrepancies.clouds import cloud, masses

SMOOTHED = {1: {"rtol": 1e-3, "atol": 1e-4}, 2: {"rtol": 1e-6, "atol": 1e-8}}
"""How near GeomLoss is: its distances are never under 1e-4, for p = 1."""


@pytest.mark.parametrize("p", [1, 2])
def test_geomloss_returns_it_divided_by_p(p):
    x, y, a, b = cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)
    theirs = geomloss.SamplesLoss("sinkhorn", p=p, blur=0.1, backend="tensorized")(a, x, b, y)
    torch.testing.assert_close(SinkhornDivergence(p=p, blur=0.1)(x, y, a, b), p * theirs, **SMOOTHED[p])


@pytest.mark.parametrize("options", [{"scaling": 0.9}, {"diameter": 5.0}, {"scaling": 0.3, "diameter": 0.7}])
def test_scaling_and_diameter_are_those_of_geomloss(options):
    x, y, a, b = cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)
    theirs = geomloss.SamplesLoss("sinkhorn", blur=0.02, backend="tensorized", **options)(a, x, b, y)
    value = SinkhornDivergence(blur=0.02, **options)(x, y, a, b)
    torch.testing.assert_close(value, 2.0 * theirs)
    assert abs(value - SinkhornDivergence(blur=0.02)(x, y, a, b)) > 1e-4 * value  # so that each is noticed


def test_without_blur_it_is_the_squared_wasserstein_distance():
    x = cloud(dimension=1)
    y = x[torch.randperm(12, generator=torch.Generator().manual_seed(0))] + 0.7
    value = SinkhornDivergence(blur=1e-3, scaling=0.95)(x, y)
    assert value.item() == pytest.approx(0.49, rel=1e-3)


def test_equal_clouds_are_at_zero():
    assert SinkhornDivergence()(cloud(), cloud()).item() == pytest.approx(0.0, abs=1e-12)


def test_gradients_are_those_of_geomloss():
    x, y, a, b = (t.requires_grad_() for t in (cloud(), cloud(9, seed=1), masses(), masses(9, seed=1)))
    ours = torch.autograd.grad(3.0 * SinkhornDivergence()(x, y, a, b), [x, y, a, b])
    theirs = torch.autograd.grad(6.0 * geomloss.SamplesLoss("sinkhorn", backend="tensorized")(a, x, b, y), [x, y, a, b])
    torch.testing.assert_close(ours, theirs)


def test_a_point_of_zero_weight_changes_nothing_and_rests():
    x, y, a = cloud(), cloud(9, seed=1), masses()
    more, weights = torch.cat([x, cloud(1, seed=9)]), torch.cat([a, a.new_zeros(1)])
    loss = SinkhornDivergence()
    torch.testing.assert_close(loss(more, y, weights), loss(x, y, a), rtol=1e-6, atol=1e-9)
    velocity = loss.velocity(more, y, weights)
    assert bool(velocity.isfinite().all())
    assert velocity[-1].abs().max() == 0.0


def test_descent_brings_a_cloud_to_its_target():
    x, y, loss = cloud(), cloud(seed=1) + 2.0, SinkhornDivergence(blur=0.01)
    assert loss(x + 0.2 * loss.velocity(x, y), y) < 0.5 * loss(x, y)


def test_a_batch_is_its_clouds_one_by_one():
    x, y = cloud(batch=(3,)), cloud(9, seed=1, batch=(3,))
    loss = SinkhornDivergence(reduction="none")
    value = loss(x, y)
    assert value.shape == (3,)
    # the schedule of blurs starts from the diameter of the whole batch
    single = torch.stack([loss(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(value, single, rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(SinkhornDivergence()(x, y), value.mean())


def test_the_gradient_mode_of_the_caller_is_left_as_it_was():
    with torch.no_grad():
        value = SinkhornDivergence()(cloud(), cloud(9, seed=1))
        assert not torch.is_grad_enabled()
    assert not value.requires_grad


def test_a_second_derivative_is_refused():
    x = cloud().requires_grad_()
    (first,) = torch.autograd.grad(SinkhornDivergence()(x, cloud(9, seed=1)), x, create_graph=True)
    with pytest.raises(BackendError, match="differentiated once"):
        first.sum().backward()


@pytest.mark.parametrize(
    "options", [{"blur": 0.0}, {"p": 3}, {"scaling": 1.0}, {"diameter": 0.0}, {"reach": 0.0}, {"reduction": "max"}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError):
        SinkhornDivergence(**options)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reach", [0.2, 3.0])
def test_unbalanced_divergences_and_their_gradients_are_those_of_geomloss(p, reach):
    x, y = cloud().requires_grad_(), cloud(9, seed=1).requires_grad_()
    a, b = (1.3 * masses()).requires_grad_(), masses(9, seed=1).requires_grad_()
    ours = SinkhornDivergence(p=p, blur=0.1, reach=reach)(x, y, a, b)
    theirs = p * geomloss.SamplesLoss("sinkhorn", p=p, blur=0.1, reach=reach, backend="tensorized")(a, x, b, y)
    torch.testing.assert_close(ours, theirs, **SMOOTHED[p])
    gradients = [torch.autograd.grad(value, [x, y, a, b]) for value in (ours, theirs)]
    torch.testing.assert_close(*gradients, **SMOOTHED[p])


@pytest.mark.parametrize("boundary", [None, PeriodicBoundary(1.0)], ids=["open", "torus"])
@pytest.mark.parametrize("options", [{}, {"p": 1}, {"reach": 0.3}], ids=str)
def test_sums_of_pairs_give_what_matrices_in_memory_give(boundary, options, monkeypatch):
    inputs = [part.requires_grad_() for part in (cloud(), cloud(9, seed=1), masses(), masses(9, seed=1))]
    loss = SinkhornDivergence(boundary=boundary, backend="dense", **options)
    results = []
    for size in (0, sinkhorn.MAX_MATRIX):
        monkeypatch.setattr(sinkhorn, "MAX_MATRIX", size)
        value = loss(*inputs)
        results.append((value, *torch.autograd.grad(value, inputs)))
    torch.testing.assert_close(*results)


def test_it_is_the_cost_of_transport_of_pot_at_convergence():
    x, y = cloud(), cloud(9, seed=1)
    loss = SinkhornDivergence(blur=0.3, scaling=0.98)
    a, b = torch.full((12,), 1 / 12, dtype=x.dtype), torch.full((9,), 1 / 9, dtype=x.dtype)
    cost = {"xy": (x, y, a, b), "xx": (x, x, a, a), "yy": (y, y, b, b)}
    regularised = {}
    for name, (first, second, mass, other) in cost.items():
        squares = torch.cdist(first, second).square()
        plan = ot.sinkhorn(mass, other, squares, 2.0 * 0.3**2, stopThr=1e-13, numItermax=100_000)
        entropy = (plan * (plan / (mass[:, None] * other)).log()).sum()
        regularised[name] = (plan * squares).sum() + 2.0 * 0.3**2 * entropy
    expected = regularised["xy"] - 0.5 * regularised["xx"] - 0.5 * regularised["yy"]
    torch.testing.assert_close(loss(x, y), expected, rtol=2e-3, atol=1e-6)


def test_the_torus_is_crossed_on_the_shorter_way():
    x, y = torch.tensor([[0.05, 0.5]]), torch.tensor([[0.95, 0.5]])
    assert SinkhornDivergence(boundary=PeriodicBoundary(1.0), blur=0.01)(x, y).item() == pytest.approx(0.01, rel=1e-3)


def test_learnable_lengths_of_the_domain_are_refused():
    boundary = PeriodicBoundary(1.0)
    boundary.lengths.requires_grad_()
    with pytest.raises(ArgumentError, match="boundary"):
        SinkhornDivergence(boundary=boundary)(cloud(), cloud())
