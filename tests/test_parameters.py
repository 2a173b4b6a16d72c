from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import interflow as fl
from interflow.errors import ArgumentError
from interflow.parameters import Parametrised, PositiveParameter, finite, hyperparameters, positive, substitute


class Bell(Parametrised):
    def __init__(self, sigma: float | Tensor = 0.5, learnable: bool = False, per_axis: bool = False) -> None:
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable, per_axis=per_axis)

    def forward(self, x: Tensor) -> Tensor:
        return (-x / self.sigma).exp()


class Tree(Parametrised):
    """All that a formula may read: optional buffers, parameters without a sign, networks, a child in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", finite("shift", -2.0))
        self.register_buffer("absent", None)
        self.log_gain = nn.Parameter(torch.tensor(0.5))
        self.bell = self.again = Bell(learnable=True)
        self.network = nn.Sequential(nn.Linear(1, 3, bias=False), nn.Tanh(), nn.Linear(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        assert self.absent is None
        inner = self.bell(x) + self.again(2.0 * x) + self.network(x.float()[:, None])[:, 0]
        return self.log_gain * inner + self.shift


X = torch.tensor([0.1, 0.7], dtype=torch.float64)


def test_fixed_value_is_a_float64_buffer() -> None:
    bell = Bell(0.1)
    assert bell.sigma.dtype == torch.float64
    assert list(bell.state_dict()) == ["sigma"]
    assert not list(bell.parameters())


def test_learnable_value_is_the_logarithm_once_among_the_parameters() -> None:
    bell = Bell(0.1, learnable=True)
    assert [name for name, _ in bell.named_parameters()] == ["log_sigma"]
    assert bell.sigma.item() == pytest.approx(0.1, rel=1e-15)
    assert list(bell.state_dict()) == ["log_sigma"]


def test_learnable_value_stays_positive_whatever_the_step() -> None:
    bell = Bell(0.1, learnable=True)
    torch.optim.SGD(bell.parameters(), lr=50.0).zero_grad()
    bell(X).sum().backward()
    with torch.no_grad():
        bell.log_sigma -= 100.0
    assert 0.0 < bell.sigma.item() < 1e-40


def test_chain_rule_reaches_the_logarithm() -> None:
    bell = Bell(0.5, learnable=True)
    (gradient,) = torch.autograd.grad(bell(X).sum(), bell.log_sigma)
    torch.testing.assert_close(gradient, (X / 0.5 * (-X / 0.5).exp()).sum())


@pytest.mark.parametrize("learnable", [False, True])
def test_numbers_assigned_later_change_the_value_in_place(learnable: bool) -> None:
    bell = Bell(learnable=learnable)
    (held,) = bell.state_dict(keep_vars=True).values()
    for value in (3, 0.25, torch.tensor(0.75)):
        bell.sigma = value  # type: ignore[assignment]
        assert bell.sigma.item() == pytest.approx(float(value))
    assert next(iter(bell.state_dict(keep_vars=True).values())) is held


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, torch.tensor(-1.0), torch.ones(2)], ids=repr)
def test_bad_values_are_refused_at_first_and_later(value: float | Tensor, learnable: bool) -> None:
    with pytest.raises(ArgumentError, match="`sigma`"):
        Bell(value, learnable=learnable)
    bell = Bell(learnable=learnable)
    with pytest.raises(ArgumentError, match="`sigma`"):
        bell.sigma = value  # type: ignore[assignment]
    assert bell.sigma.item() == pytest.approx(0.5)


def test_one_value_an_axis_where_it_is_allowed() -> None:
    bell = Bell(torch.tensor([0.1, 0.2], dtype=torch.float64), per_axis=True)
    assert bell.sigma.tolist() == [0.1, 0.2]
    bell.sigma = 0.5  # type: ignore[assignment]
    assert bell.sigma.tolist() == [0.5, 0.5]
    with pytest.raises(ArgumentError, match=r"`sigma`.*one number an axis"):
        Bell(torch.ones(2, 2), per_axis=True)


def test_values_with_a_graph_are_refused_rather_than_cut() -> None:
    sigma = torch.tensor(0.1, requires_grad=True)
    with pytest.raises(ArgumentError, match=r"`sigma`.*functional_call"):
        Bell(sigma)


def test_the_number_given_is_copied() -> None:
    sigma = torch.tensor(0.5, dtype=torch.float64)
    bell = Bell(sigma)
    sigma.fill_(9.0)
    assert bell.sigma == 0.5


def test_declaring_again_changes_between_fixed_and_learnable() -> None:
    bell = Bell()
    bell.sigma = PositiveParameter(0.3, learnable=True)
    assert list(bell.state_dict()) == ["log_sigma"]
    bell.sigma = PositiveParameter(0.4)
    assert list(bell.state_dict()) == ["sigma"]
    assert bell.sigma == 0.4


@pytest.mark.parametrize("value", ["1", None, 1j, object()], ids=["text", "None", "complex", "object"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    for check in (positive, finite):
        with pytest.raises(ArgumentError, match="`length`"):
            check("length", value)


def test_hyperparameters_are_named_as_the_formula_reads_them() -> None:
    names = ["shift", "log_gain", "bell.sigma", "again.sigma"]
    network = ["network.0.weight", "network.2.weight", "network.2.bias"]
    values = hyperparameters(Tree())
    assert list(values) == names + network
    assert values["bell.sigma"].item() == pytest.approx(0.5)
    assert values["bell.sigma"].requires_grad


def test_substituting_the_own_values_changes_nothing() -> None:
    tree = Tree()
    assert torch.equal(substitute(tree, hyperparameters(tree))(X), tree(X))


def test_substituted_values_are_read_everywhere_and_the_module_keeps_its_own() -> None:
    tree = Tree()
    before = tree(X)
    values = hyperparameters(tree) | {"again.sigma": torch.tensor(2.0), "shift": torch.tensor(0.0)}
    difference = substitute(tree, values)(X) - before
    expected = tree.log_gain * ((-2.0 * X / 2.0).exp() - (-2.0 * X / 0.5).exp()) + 2.0
    torch.testing.assert_close(difference, expected)
    assert torch.equal(tree(X), before)


def test_gradients_flow_through_substituted_values() -> None:
    tree = Tree()
    values = {name: value.detach().clone().requires_grad_() for name, value in hyperparameters(tree).items()}
    gradients = torch.autograd.grad(substitute(tree, values)(X).sum(), list(values.values()))
    assert all(bool(gradient.abs().sum() > 0) for gradient in gradients)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_are_whole_and_apart(duplicate) -> None:
    tree = Tree()
    twin = duplicate(tree)
    assert torch.equal(twin(X), tree(X))
    twin.bell.sigma = 0.9
    assert tree.bell.sigma.item() == pytest.approx(0.5)
    assert twin.bell is twin.again


def test_repr_shows_the_values_as_they_are_now() -> None:
    bell = Bell(0.1)
    assert repr(bell) == "Bell(sigma=0.1)"
    bell.sigma = 0.25  # type: ignore[assignment]
    assert repr(bell) == "Bell(sigma=0.25)"
    assert repr(Bell(0.1, learnable=True)) == "Bell(sigma=0.1, learnable=True)"


def test_unknown_attributes_are_missing_as_ever() -> None:
    with pytest.raises(AttributeError, match="'Bell' object has no attribute 'tau'"):
        _ = Bell().tau


def test_every_class_that_users_derive_from_has_positive_parameters():
    def subclass(base):
        return type("Own", (base,), {name: lambda self: None for name in base.__abstractmethods__})

    for base in (fl.Kernel, fl.RadialKernel, fl.Boundary, fl.Energy, fl.Discrepancy, fl.Integrator):
        module = subclass(base)()
        module.stiffness = PositiveParameter(2.0, learnable=True)
        assert [name for name, _ in module.named_parameters()] == ["log_stiffness"]
        assert module.stiffness.item() == pytest.approx(2.0)
        assert "stiffness" not in module.state_dict()


def test_an_energy_is_differentiated_by_its_positive_parameter():
    class Well(fl.Energy):
        def __init__(self, stiffness):
            super().__init__()
            self.stiffness = PositiveParameter(stiffness, learnable=True)

        def forward(self, positions, weights=None):
            return 0.5 * self.stiffness.to(positions.dtype) * positions.square().sum(-1).mean()

    well, x = Well(2.0), torch.tensor([[3.0], [1.0]])
    torch.testing.assert_close(well.velocity(x), -2.0 * x)
    well(x).backward()
    torch.testing.assert_close(well.log_stiffness.grad, torch.tensor(5.0, dtype=torch.float64))
    with pytest.raises(fl.ArgumentError, match="`stiffness`"):
        well.stiffness = -1.0
