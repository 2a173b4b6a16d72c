"""Laws that hold for every kernel on every boundary."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from interflow.kernels import RadialKernel
from interflow.parameters import hyperparameters, substitute
from tests.kernels.cases import BOUNDARIES, CASES, NAMES, Case, cloud, crossed

every_case = pytest.mark.parametrize("case", CASES, ids=NAMES)
case_on_boundary = crossed(
    "name, on", NAMES, list(BOUNDARIES), few=lambda name, on: on == "channel" or name in ("gaussian", "lennard-jones")
)
learnable_cases = pytest.mark.parametrize("case", [c for c in CASES if c.make_learnable], ids=lambda case: case.name)
definite_cases = pytest.mark.parametrize("case", [c for c in CASES if c.make().definite], ids=lambda case: case.name)
SEPARATIONS = np.array([0.05, 0.1, 0.13, 0.2, 0.25, 0.3, 0.33, 0.39, 0.44, 0.46, 0.7, 1.1, 3.0])


@every_case
def test_values_are_the_closed_form(case: Case) -> None:
    points = torch.from_numpy(SEPARATIONS)[:, None]
    computed = case.make()(torch.zeros(1, 1, dtype=torch.float64), points)[0]
    np.testing.assert_allclose(computed.numpy(), case.oracle(SEPARATIONS), rtol=2e-12, atol=1e-14)


@case_on_boundary
def test_matrix_is_symmetric(name: str, on: str) -> None:
    case, boundary = CASES[NAMES.index(name)], BOUNDARIES[on]
    x, y = cloud(7, 2, seed=0), cloud(5, 2, seed=1)
    torch.testing.assert_close(case.make()(x, y, boundary), case.make()(y, x, boundary).T, rtol=0, atol=0)


@case_on_boundary
def test_translation_of_both_clouds_changes_nothing(name: str, on: str) -> None:
    case, boundary = CASES[NAMES.index(name)], BOUNDARIES[on]
    x, y, shift = cloud(7, 2, seed=0), cloud(5, 2, seed=1), torch.tensor([0.37, -1.21])
    kernel = case.make()
    torch.testing.assert_close(kernel(x + shift, y + shift, boundary), kernel(x, y, boundary), rtol=1e-9, atol=1e-11)


@every_case
@pytest.mark.parametrize("name", ["torus", "long torus"])
def test_shift_by_a_lattice_vector_changes_nothing(case: Case, name: str) -> None:
    boundary, kernel = BOUNDARIES[name], case.make()
    x, y = cloud(7, 2, seed=0), cloud(5, 2, seed=1)
    lattice = boundary.periods(2) * torch.tensor([3.0, -2.0])
    torch.testing.assert_close(kernel(x + lattice, y, boundary), kernel(x, y, boundary), rtol=1e-9, atol=1e-11)


@every_case
def test_rotation_of_both_clouds_changes_nothing(case: Case) -> None:
    rotation = torch.linalg.qr(cloud(3, 3, seed=5)).Q
    x, y, kernel = cloud(6, 3, seed=0), cloud(4, 3, seed=1), case.make()
    torch.testing.assert_close(kernel(x @ rotation, y @ rotation), kernel(x, y), rtol=1e-9, atol=1e-12)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrix_has_the_dtype_of_the_positions(case: Case, dtype: torch.dtype) -> None:
    x = cloud(3, 2, seed=0).to(dtype)
    matrix = case.make()(x, x + 1.0, BOUNDARIES["long torus"])
    assert matrix.dtype == dtype
    assert matrix.shape == (3, 3)


@every_case
def test_at_zero_is_the_value_or_none_where_it_is_singular(case: Case) -> None:
    value = case.make().at_zero()
    if case.at_zero is None:
        assert value is None
    else:
        assert value is not None
        assert value.dtype == torch.float64
        assert value.shape == ()
        assert value.item() == pytest.approx(case.at_zero, rel=1e-14)


@every_case
def test_first_two_derivatives_of_the_profile(case: Case) -> None:
    kernel = case.make()
    squared = torch.tensor([0.012, 0.04, 0.0613, 0.13], dtype=torch.float64, requires_grad=True)

    def value(squared_distance: torch.Tensor) -> torch.Tensor:
        return kernel.evaluate((squared_distance.sqrt(),))

    assert gradcheck(value, squared)
    assert gradgradcheck(value, squared)


@learnable_cases
def test_learnable_parameters_get_the_right_gradients(case: Case) -> None:
    assert case.make_learnable
    kernel = case.make_learnable()
    x, y = cloud(3, 2, seed=0, scale=0.4), cloud(2, 2, seed=1, scale=0.4)
    names, values = zip(*kernel.named_parameters(), strict=True)

    def matrix(*logarithms: torch.Tensor) -> torch.Tensor:
        return functional_call(kernel, dict(zip(names, logarithms, strict=True)), (x, y))

    assert gradcheck(matrix, values)


@learnable_cases
def test_learnable_kernel_has_the_same_values_and_each_parameter_once(case: Case) -> None:
    assert case.make_learnable
    kernel, x = case.make_learnable(), cloud(3, 2, seed=0, scale=0.4)
    names = [name for name, _ in kernel.named_parameters()]
    assert names
    assert len(names) == len(set(names))
    torch.testing.assert_close(kernel(x, x + 0.1), case.make()(x, x + 0.1), rtol=1e-12, atol=1e-13)
    assert "learnable=True" in repr(kernel)


@every_case
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda kernel: pickle.loads(pickle.dumps(kernel))])
def test_copies_have_the_same_values_and_their_own_memory(case: Case, duplicate) -> None:
    kernel, x = case.make(), cloud(4, 2, seed=0)
    twin = duplicate(kernel)
    assert torch.equal(twin(x, x + 0.1), kernel(x, x + 0.1))
    assert not {t.data_ptr() for t in twin.buffers()} & {t.data_ptr() for t in kernel.buffers()}


@every_case
def test_state_dict_carries_every_hyperparameter(case: Case) -> None:
    x = cloud(4, 2, seed=0)
    for make in filter(None, (case.make, case.make_learnable)):
        kernel, other = make(), make()
        for tensor in other.state_dict().values():
            tensor.mul_(0.5)
        other.load_state_dict(kernel.state_dict())
        assert torch.equal(other(x, x + 0.1), kernel(x, x + 0.1))


@every_case
def test_kernels_in_single_precision_keep_their_values(case: Case) -> None:
    x = cloud(4, 2, seed=0).float()
    single, double = case.make().float(), case.make()
    torch.testing.assert_close(single(x, x + 0.1), double(x, x + 0.1), rtol=2e-5, atol=1e-5)


@definite_cases
def test_kernels_that_claim_to_be_definite_have_no_negative_eigenvalue(case: Case) -> None:
    kernel = case.make()
    for dimension in (1, 2, 5):
        x = cloud(40, dimension, seed=dimension)
        gram = kernel(x, x)
        centred = torch.eye(40, dtype=torch.float64) - 1.0 / 40
        eigenvalues = torch.linalg.eigvalsh(centred @ gram @ centred)
        assert eigenvalues.min() > -1e-12 * eigenvalues.max()


def test_claims_of_definiteness() -> None:
    claims = {case.name: case.make().definite for case in CASES}
    finite = ("soft-sphere", "wendland", "product-cut")
    without = (*finite, "logarithmic", "morse", "lennard", "inverse-power", "yukawa", "power-law", "sum")
    expected = {name: None if name.startswith(without) else True for name in NAMES}
    others = {"logarithmic-softened": True, "inverse-power-softened": True}
    assert claims == expected | others | {"power-law-4.0-2.0": False, "power-law-1.3-0.5": False}


@every_case
def test_formula_is_traced_without_looking_at_values(case: Case) -> None:
    kernel, components = case.make(), torch.tensor([0.11, -0.2], dtype=torch.float64).unbind()

    def formula(values: dict[str, torch.Tensor], *components: torch.Tensor) -> torch.Tensor:
        return substitute(kernel, values).evaluate(components)

    values = hyperparameters(kernel)
    graph = make_fx(formula)({name: value.clone() for name, value in values.items()}, *components)
    assert not [node for node in graph.graph.nodes if node.op == "get_attr"]
    changed = {name: 1.1 * value for name, value in values.items()}
    torch.testing.assert_close(graph(changed, *components), formula(changed, *components), rtol=1e-13, atol=0)


@every_case
def test_radial_kernels_are_profiles_of_the_squared_distance(case: Case) -> None:
    kernel = case.make()
    assert kernel.symmetric
    if isinstance(kernel, RadialKernel) and kernel.cutoff is None:
        squared = torch.from_numpy(SEPARATIONS) ** 2
        np.testing.assert_allclose(kernel.profile(squared).numpy(), case.oracle(SEPARATIONS), rtol=2e-12, atol=1e-14)
