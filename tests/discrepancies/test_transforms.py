"""The losses under `torch.func` and `torch.compile`."""

from itertools import product

import pytest
import torch
from torch.func import functional_call, grad, hessian, jvp, vmap

from interflow import GaussianKernel, PeriodicBoundary
from interflow.discrepancies import MMD, EnergyDistance, SinkhornDivergence, SlicedWasserstein
from interflow.errors import ArgumentError, BackendError
from tests.discrepancies.clouds import cloud, masses

# torch's own use of its own deprecated function, when forward mode is first used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

LOSSES = {
    "gaussian": MMD(GaussianKernel(0.4)),
    "gaussian, unbiased": MMD(GaussianKernel(0.4), estimator="unbiased"),
    "gaussian on the torus": MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0)),
    "energy distance": EnergyDistance(),
    "sliced wasserstein": SlicedWasserstein(projections=7),
}
WEIGHTS = {"uniform": (None, None), "weighted": (masses(6), masses(5, seed=1))}

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
every_weighting = pytest.mark.parametrize(("a", "b"), WEIGHTS.values(), ids=WEIGHTS.keys())


@pytest.fixture(autouse=True)
def _own_cache():
    """Compiles each loss anew: the compiler gives up after eight that share their code."""
    torch.compiler.reset()


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@every_loss
@every_weighting
def test_grad_is_the_gradient(loss, a, b):
    x, y = cloud(6), cloud(5, seed=1)
    leaf = x.clone().requires_grad_()
    close(grad(loss)(x, y, a, b), torch.autograd.grad(loss(leaf, y, a, b), leaf)[0])


@every_loss
def test_jvp_is_the_gradient_along_a_direction(loss):
    x, y, direction = cloud(6), cloud(5, seed=1), cloud(6, seed=2)
    _, slope = jvp(lambda moved: loss(moved, y), (x,), (direction,))
    close(slope, (grad(loss)(x, y) * direction).sum())


@every_loss
@every_weighting
def test_vmap_is_a_loop(loss, a, b):
    x, y = cloud(6, batch=(3,)), cloud(5, seed=1)
    close(vmap(lambda one: loss(one, y, a, b))(x), torch.stack([loss(one, y, a, b) for one in x]))


@every_loss
def test_vmap_of_grad_is_a_loop(loss):
    x, y = cloud(6, batch=(3,)), cloud(5, seed=1)
    close(vmap(grad(loss), (0, None))(x, y), torch.stack([grad(loss)(one, y) for one in x]))


@every_loss
def test_hessian_is_that_of_autograd(loss):
    x, y = cloud(4), cloud(3, seed=1)
    close(hessian(loss)(x, y), torch.autograd.functional.hessian(lambda moved: loss(moved, y), x))


def test_grad_in_the_bandwidth():
    loss = MMD(GaussianKernel(0.4, learnable=True))
    x, y = cloud(6), cloud(5, seed=1)
    log_sigma, small = torch.tensor(-0.9, dtype=torch.float64), 1e-5
    slope = grad(lambda given: functional_call(loss, {"kernel.log_sigma": given}, (x, y)))(log_sigma)
    later, sooner = (MMD(GaussianKernel((log_sigma + h).exp().item()))(x, y) for h in (small, -small))
    torch.testing.assert_close(slope, (later - sooner) / (2 * small), rtol=1e-7, atol=0)


@pytest.mark.parametrize(
    ("name", "weighting"),
    [
        pytest.param(*case, marks=[] if case[1] == "weighted" or case[0] == "gaussian" else [pytest.mark.full])
        for case in product(LOSSES, WEIGHTS)
    ],
)
def test_a_loss_with_its_gradient_compiles_to_one_graph(name, weighting):
    """Every loss with weights, of which uniform ones are a case; one also without."""
    loss, (a, b) = LOSSES[name], WEIGHTS[weighting]
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    x, y = cloud(6).requires_grad_(), cloud(5, seed=1).requires_grad_()
    value = loss(x, y, a, b)
    close(compiled(x, y, a, b), value)
    close(torch.autograd.grad(compiled(x, y, a, b), (x, y)), torch.autograd.grad(value, (x, y)))


@every_loss
def test_a_velocity_compiles_to_one_graph(loss):
    x, y = cloud(6), cloud(5, seed=1)
    with torch.no_grad():
        close(torch.compile(loss.velocity, fullgraph=True, backend="aot_eager")(x, y), loss.velocity(x, y))


def test_a_batched_loss_compiles_with_the_default_compiler():
    loss = MMD(GaussianKernel(0.4), reduction="sum")
    x, y = cloud(6, batch=(2,)).requires_grad_(), cloud(5, seed=1, batch=(2,))
    compiled = torch.compile(loss, fullgraph=True)
    close(torch.autograd.grad(compiled(x, y), x), torch.autograd.grad(loss(x, y), x))


def test_a_sinkhorn_divergence_is_mapped_and_differentiated_once():
    loss, x, y, direction = SinkhornDivergence(diameter=2.0), cloud(6), cloud(5, seed=1), cloud(6, seed=2)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf, y), leaf)
    close(grad(loss)(x, y), slope)
    close(jvp(lambda moved: loss(moved, y), (x,), (direction,))[1], (slope * direction).sum())
    many = cloud(6, batch=(3,))
    close(vmap(grad(loss), (0, None))(many, y), torch.stack([grad(loss)(one, y) for one in many]))
    with pytest.raises(BackendError, match="differentiated once"):
        hessian(loss)(x, y)


def test_a_negative_weight_is_still_refused_outside_transforms():
    loss = LOSSES["gaussian"]
    y, bad = cloud(5, seed=1), -masses(6)
    assert vmap(lambda one: loss(one, y, bad))(cloud(6, batch=(2,))).shape == (2,)
    with pytest.raises(ArgumentError, match="x_weights"):
        loss(cloud(6), y, bad)
