"""A profile that is a network: its sums, its gradients, and what is refused."""

import copy
import pickle

import pytest
import torch
from torch import nn

from interflow import (
    ArgumentError,
    BackendError,
    InteractionEnergy,
    KernelError,
    MorseKernel,
    PeriodicBoundary,
    ProfileKernel,
    field,
    potential,
)
from interflow.testing import KernelSuite
from tests.kernels.cases import cloud


def network(*widths, activation=nn.Tanh):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = []
        for before, after in zip((1, *widths), widths, strict=False):
            layers += [nn.Linear(before, after), activation()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 1))


class TestNetwork(KernelSuite):
    backends = ("dense", "keops")

    def make(self):
        return ProfileKernel(network(5, 3))


@pytest.mark.full
class TestNetworkCompiled(KernelSuite):
    backends = ("compiled",)

    def make(self):
        return ProfileKernel(network(4))


@pytest.mark.parametrize("activation", [nn.Tanh, nn.SiLU, nn.Softplus, nn.Sigmoid, nn.ReLU, nn.Mish, nn.Softsign])
def test_usual_activations_are_formulas(activation):
    kernel, x, y = ProfileKernel(network(4, activation=activation)), cloud(5, 2, 0), cloud(4, 2, 1)
    torch.testing.assert_close(potential(kernel, x, y), kernel(x, y).mean(1), rtol=1e-12, atol=1e-13)


def test_the_widest_network_for_dense_is_summed():
    kernel, x, y = ProfileKernel(network(32, 32)), cloud(5, 2, 0), cloud(4, 2, 1)
    torch.testing.assert_close(potential(kernel, x, y, backend="dense"), kernel(x, y).mean(1), rtol=1e-11, atol=1e-12)


def learned(backend):
    """A network after some steps towards the field of a Morse kernel, and the errors on the way."""
    kernel, x, torus = ProfileKernel(network(4).double()), cloud(20, 2, 0), PeriodicBoundary(2.0)
    wanted = field(MorseKernel(1.0, 0.6, 3.0, 0.2), x, x, boundary=torus)
    optimizer, errors = torch.optim.Adam(kernel.parameters(), lr=0.05), []
    for _ in range(30):
        optimizer.zero_grad()
        error = (field(kernel, x, x, boundary=torus, backend=backend) - wanted).square().sum()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    return kernel, errors


def test_a_network_learns_a_field():
    _, errors = learned("dense")
    assert errors[-1] < 0.5 * errors[0]


@pytest.mark.full
def test_a_network_learns_the_same_on_compiled_as_on_dense():
    (dense, _), (compiled, _) = learned("dense"), learned("compiled")
    torch.testing.assert_close(dict(compiled.named_parameters()), dict(dense.named_parameters()), rtol=1e-7, atol=1e-9)


def test_a_new_weight_needs_no_new_formula():
    kernel, x = ProfileKernel(network(4)), cloud(5, 2, 0)
    before = potential(kernel, x, x)
    with torch.no_grad():
        kernel.module[-1].weight.mul_(2.0)
    after = potential(kernel, x, x)
    torch.testing.assert_close(after, kernel(x, x).mean(1), rtol=1e-12, atol=1e-13)
    assert not torch.equal(before, after)


def test_keops_refuses_a_network_with_the_reason():
    with pytest.raises(BackendError, match=r"keops.*no operation tanh"):
        potential(ProfileKernel(network(4)), cloud(5, 2, 0), cloud(5, 2, 1), backend="keops")


def test_compiled_refuses_a_wide_network_with_the_reason():
    with pytest.raises(BackendError, match="323 parameters, more than the 60"):
        potential(ProfileKernel(network(16, 16, 1)), cloud(5, 2, 0), cloud(5, 2, 1), backend="compiled")


def test_what_is_too_large_or_of_another_shape_is_refused():
    with pytest.raises(ArgumentError, match=r"`module`.*parameters"):
        ProfileKernel(network(64, 64))
    with pytest.raises(ArgumentError, match="`module`"):
        ProfileKernel(nn.Linear(1, 2))
    with pytest.raises(ArgumentError, match="`module`"):
        ProfileKernel(nn.Linear(3, 1))
    with pytest.raises(ArgumentError, match="`module`"):
        ProfileKernel(torch.tanh)


def test_a_module_that_draws_numbers_is_no_formula():
    kernel = ProfileKernel(nn.Sequential(nn.Linear(1, 4), nn.Dropout(), nn.Linear(4, 1)))
    with pytest.raises(KernelError, match="ProfileKernel"):
        potential(kernel, cloud(5, 2, 0), cloud(5, 2, 1))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda kernel: pickle.loads(pickle.dumps(kernel))])
def test_an_energy_with_a_network_can_be_copied(duplicate):
    energy, x = InteractionEnergy(ProfileKernel(network(4))), cloud(5, 2, 0)
    assert torch.equal(duplicate(energy)(x), energy(x))
