"""Sums of any law between two particles: values, every derivative, features, tables, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from interflow import Interaction, PeriodicBoundary, PositiveParameter, ReflectingBoundary, pair_sum
from interflow.errors import ArgumentError, BackendError, InterflowWarning, KernelError
from interflow.sums.autograd import backends_used
from tests.sums.cases import cloud

BACKENDS = ["dense", "compiled", "keops"]
TORUS = PeriodicBoundary(1.0)


def screened_force(displacement, i, j):
    r = displacement.square().sum().sqrt()
    return i.charge * j.charge * (1 + r) * torch.exp(-r) * displacement / r**3


def charges(count, seed, dtype=torch.float64):
    return cloud(count, 1, seed, dtype=dtype)[:, 0] - 0.4


def by_matrix(x, y, q, p, boundary=TORUS):
    """The same force from the matrix of all displacements."""
    displacement = boundary.displacement(x[..., :, None, :], y[..., None, :, :])
    r = displacement.square().sum(-1, keepdim=True).sqrt()
    return (q[..., :, None, None] * p[..., None, :, None] * (1 + r) * torch.exp(-r) * displacement / r**3).sum(-2)


class Alignment(Interaction):
    """Velocities become alike, the nearer the more, within a radius."""

    def __init__(self, strength, radius):
        super().__init__()
        self.strength, self.cutoff = PositiveParameter(strength, learnable=True), PositiveParameter(radius)

    def pair(self, displacement, i, j):
        near = torch.exp(-displacement.square().sum())
        return self.strength * near * (j.velocity - i.velocity)


class Species(Interaction):
    """Gaussians whose heights stand in a table."""

    def __init__(self, kinds=3):
        super().__init__()
        self.table = torch.nn.Parameter(torch.linspace(-1.0, 1.0, kinds**2, dtype=torch.float64).reshape(kinds, kinds))

    def pair(self, displacement, i, j):
        return self.table[i.species, j.species] * torch.exp(-displacement.square().sum())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_force_between_charges_is_that_of_the_matrix(backend, dtype):
    x, y = cloud(40, 3, 0, dtype=dtype), cloud(30, 3, 1, dtype=dtype)
    q, p = charges(40, 2, dtype), charges(30, 3, dtype)
    with backends_used() as used:
        force = pair_sum(
            screened_force, x, y, x_features={"charge": q}, y_features={"charge": p}, boundary=TORUS, backend=backend
        )
    assert dict(used) == {backend: 1}
    assert force.dtype == dtype
    expected = by_matrix(*(part.double() for part in (x, y, q, p)))
    assert (force - expected).norm() <= (1e-12 if dtype == torch.float64 else 2e-6) * expected.norm()


@pytest.mark.parametrize("boundary", [None, TORUS, ReflectingBoundary(0.0, 1.0)], ids=str)
def test_forces_within_a_cloud_leave_out_the_particle_itself_and_add_up_to_nothing(boundary):
    x, q = cloud(50, 2, 0), charges(50, 1)
    force = pair_sum(screened_force, x, x_features={"charge": q}, boundary=boundary)
    assert force.isfinite().all()
    assert force.sum(0).norm() <= 1e-12 * force.norm()
    assert torch.equal(
        force, pair_sum(screened_force, x, x_features={"charge": q}, boundary=boundary, self_pairs=False)
    )


def test_second_derivatives_are_right_in_points_features_and_parameters():
    law = Alignment(0.7, 0.45)
    inputs = [cloud(count, 2, seed).requires_grad_() for seed, count in enumerate((5, 4, 5, 4))]
    parameters = dict(_Summed(law).named_parameters())

    def total(x, y, v, w, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(_Summed(law), named, (x, y, v, w))

    assert gradcheck(total, [*inputs, *parameters.values()])
    assert gradgradcheck(total, [*inputs, *parameters.values()])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["compiled", "keops"])
def test_generated_loops_have_the_second_derivatives_of_dense_ones(backend):
    x, y, v, w = (cloud(count, 2, seed).requires_grad_() for seed, count in enumerate((5, 4, 5, 4)))
    results = []
    for name in (backend, "dense"):
        value = _Summed(Alignment(0.7, 0.45), name)(x, y, v, w).sin().sum()
        first = torch.autograd.grad(value, [x, w], create_graph=True)
        results.append(torch.autograd.grad(sum(part.square().sum() for part in first), x)[0])
    torch.testing.assert_close(*results)


class _Summed(torch.nn.Module):
    def __init__(self, law, backend="dense"):
        super().__init__()
        self.law, self.backend = law, backend

    def forward(self, x, y, v, w):
        return pair_sum(
            self.law, x, y, x_features={"velocity": v}, y_features={"velocity": w}, boundary=TORUS, backend=self.backend
        )


def test_a_cutoff_leaves_out_all_pairs_beyond_it():
    x = cloud(30, 2, 0)
    near = pair_sum(lambda displacement, i, j: displacement.square().sum(), x, cutoff=0.3)
    squares = (x[:, None] - x[None]).square().sum(-1)
    torch.testing.assert_close(near, torch.where(squares < 0.09, squares, 0.0).sum(1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_numbers_choose_from_a_table_and_the_table_learns(backend):
    law, x, y = Species(), cloud(20, 2, 0), cloud(30, 2, 1)
    s, t = torch.arange(20) % 3, torch.arange(30) % 3
    values = pair_sum(law, x, y, x_features={"species": s}, y_features={"species": t}, backend=backend)
    matrix = law.table[s[:, None], t[None]] * torch.exp(-(x[:, None] - y[None]).square().sum(-1))
    torch.testing.assert_close(values, matrix.sum(1))
    gradients = [torch.autograd.grad(value.sin().sum(), law.table)[0] for value in (values, matrix.sum(1))]
    torch.testing.assert_close(*gradients)


def test_an_embedding_is_a_table_of_vectors():
    class Kinds(Interaction):
        def __init__(self):
            super().__init__()
            self.vectors = torch.nn.Embedding(4, 2, dtype=torch.float64)

        def pair(self, displacement, i, j):
            return (self.vectors(i.species) * self.vectors(j.species)).sum() * displacement

    law, x, s = Kinds(), cloud(10, 2, 0), torch.arange(10) % 4
    result = pair_sum(law, x, x_features={"species": s})
    vectors = law.vectors.weight[s]
    expected = ((vectors @ vectors.mT)[..., None] * (x[:, None] - x[None])).sum(1)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(
    ("x_batch", "y_batch"), [((3,), (3,)), ((), (3,)), ((3,), ()), ((2, 1), (3,)), ((1,), (3,))], ids=str
)
def test_batches_broadcast(x_batch, y_batch):
    x, y = (cloud(math.prod(b) * n, 2, n).reshape(*b, n, 2) for b, n in ((x_batch, 6), (y_batch, 5)))
    q, p = x[..., 0].contiguous(), y[..., 1].contiguous()
    force = pair_sum(screened_force, x, y, x_features={"charge": q}, y_features={"charge": p}, boundary=TORUS)
    torch.testing.assert_close(force, by_matrix(x, y, q, p))


def test_features_may_be_shared_by_a_batch():
    x, q = cloud(12, 2, 0).reshape(2, 6, 2), charges(6, 1)
    shared = pair_sum(screened_force, x, x_features={"charge": q})
    torch.testing.assert_close(shared, pair_sum(screened_force, x, x_features={"charge": q.expand(2, 6)}))


def test_transforms_agree_with_loops_over_their_axis():
    x, q = cloud(12, 2, 0).reshape(2, 6, 2), charges(12, 1).reshape(2, 6)

    def energy(x, q):
        return pair_sum(lambda d, i, j: i.charge * j.charge * torch.exp(-d.square().sum()), x, x_features={"charge": q})

    torch.testing.assert_close(
        torch.func.vmap(energy)(x, q), torch.stack([energy(*pair) for pair in zip(x, q, strict=True)])
    )
    jacobian = torch.func.jacrev(energy, argnums=1)(x[0], q[0])
    torch.testing.assert_close(jacobian, torch.func.jacfwd(energy, argnums=1)(x[0], q[0]))
    hessian = torch.func.hessian(lambda x: energy(x, q[0]).sum())(x[0])
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(lambda x: energy(x, q[0]).sum(), x[0]))


def test_a_law_stands_in_one_compiled_graph():
    law, x, v = Alignment(0.7, 0.45), cloud(9, 2, 0), cloud(9, 2, 1)

    def total(x, v):
        return pair_sum(law, x, x_features={"velocity": v}, backend="dense")

    compiled = torch.compile(total, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, v), total(x, v))


def test_a_number_that_a_function_reads_from_around_it_may_change():
    x, scale = cloud(5, 2, 0), 1.0

    def law(displacement, i, j):
        return scale * displacement

    first = pair_sum(law, x)
    scale = 2.0
    torch.testing.assert_close(pair_sum(law, x), 2.0 * first)


def test_half_types_are_summed_in_single_precision_with_a_warning():
    x, q = cloud(6, 2, 0).half(), charges(6, 1).half()
    with pytest.warns(InterflowWarning, match="float16"):
        force = pair_sum(screened_force, x, x_features={"charge": q})
    torch.testing.assert_close(force, pair_sum(screened_force, x.float(), x_features={"charge": q.float()}))


def test_no_particles_give_nothing():
    x, none = cloud(5, 2, 0), torch.zeros(0, 2, dtype=torch.float64)
    assert torch.equal(pair_sum(lambda d, i, j: d, x, none), torch.zeros(5, 2, dtype=torch.float64))
    assert pair_sum(lambda d, i, j: d, none, x).shape == (0, 2)


def soft(displacement, i, j):
    """Exponents of some hundreds, whose exponentials overflow."""
    return 500.0 * j.height - displacement.square().sum() / 1e-3


def soft_matrix(x, y, height):
    return 500.0 * height - (x[:, None] - y[None]).square().sum(-1) / 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_logarithm_of_summed_exponentials_is_that_of_torch_with_its_gradients(backend):
    x, y, height = (part.requires_grad_() for part in (cloud(9, 2, 0), cloud(7, 2, 1), charges(7, 2)))
    ours = pair_sum(soft, x, y, y_features={"height": height}, reduction="logsumexp", backend=backend)
    theirs = torch.logsumexp(soft_matrix(x, y, height), 1)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(value.sin().sum(), [x, y, height]) for value in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_second_derivatives_of_a_logarithm_of_summed_exponentials_are_those_of_torch():
    x, y, height = cloud(5, 2, 0), cloud(4, 2, 1), charges(4, 2)

    def ours(x, height):
        return pair_sum(soft, x, y, y_features={"height": height}, reduction="logsumexp", backend="dense").sum()

    def theirs(x, height):
        return torch.logsumexp(soft_matrix(x, y, height), 1).sum()

    for argument in (0, 1):
        hessians = [torch.func.hessian(total, argnums=argument)(x, height) for total in (ours, theirs)]
        torch.testing.assert_close(*hessians, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("count", [1, 7, 3000])
def test_a_logarithm_within_a_cloud_leaves_out_the_particle_itself(count):
    x = cloud(count, 2, 0)
    ours = pair_sum(lambda d, i, j: -d.square().sum(), x, reduction="logsumexp", backend="dense")
    exponents = -torch.cdist(x, x).square()
    exponents.fill_diagonal_(-math.inf)
    torch.testing.assert_close(ours, torch.logsumexp(exponents, 1))


X, Q = cloud(6, 2, 0), charges(6, 1)
OUTSIDE = torch.ones(2, dtype=torch.float64)


class Learnable(Interaction):
    def __init__(self):
        super().__init__()
        self.cutoff = PositiveParameter(0.3, learnable=True)

    def pair(self, displacement, i, j):
        return displacement


def decides(displacement, i, j) -> Tensor:
    if displacement[0] > 0:
        return displacement
    return -displacement


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((screened_force, X), {"x_features": {"charge": Q[:-1]}}, ArgumentError, r"charge.*\(5,\).*\(6,\)"),
        ((screened_force, X), {"x_features": {"charge": Q.float()}}, ArgumentError, "charge.*float32.*float64"),
        (
            (screened_force, X),
            {"x_features": {"mass": Q}},
            KernelError,
            r"`i\.charge`; there are .*`i\.mass`",
        ),
        ((screened_force, X, X + 1), {"x_features": {"charge": Q}}, KernelError, r"`j\.charge`.*features of y"),
        ((Species(), X), {"x_features": {"species": torch.full((6,), 3)}}, ArgumentError, "species.*3.*from 0 to 2"),
        ((Species(), X), {"x_features": {"species": torch.full((6,), -1)}}, ArgumentError, "species.*-1.*from 0 to 2"),
        ((decides, X), {}, KernelError, r"`if`.*torch\.where.*line \d+ of .*test_laws\.py"),
        ((lambda d, i, j: d * OUTSIDE, X), {}, KernelError, "takes it as a feature"),
        ((lambda d, i, j: torch.outer(d, d), X), {}, KernelError, r"shape \(2, 2\).*a number or a vector"),
        ((Learnable(), X), {}, ArgumentError, "cutoff.*learnable"),
        ((Alignment(1.0, 0.3), X), {"cutoff": 0.1}, ArgumentError, "cutoff.*of its own"),
        ((lambda d, i, j: d, X), {"cutoff": 0.6, "boundary": TORUS}, ArgumentError, "cutoff.*half of the period"),
        ((lambda d, i, j: d, X), {"cutoff": -1.0}, ArgumentError, "cutoff.*positive"),
        ((lambda d, i, j: d, X, X[:3]), {"self_pairs": False}, ArgumentError, "self_pairs.*6 and 3"),
        ((lambda d, i, j: d, X, X[:, :1]), {}, ArgumentError, "`y`.*2 coordinates"),
        ((lambda d, i, j: d, X), {"boundary": PeriodicBoundary(1.0, images="all")}, ArgumentError, "nearest"),
        ((lambda d, i, j: d, X), {"backend": "nufft"}, BackendError, "laws of a pair"),
        (("gaussian", X), {}, ArgumentError, "`law`.*function"),
        ((lambda d, i, j: d, X), {"reduction": "max"}, ArgumentError, "reduction"),
    ],
)
def test_what_cannot_be_summed_is_refused_with_what_to_do(arguments, options, error, message):
    with pytest.raises(error, match=message):
        pair_sum(*arguments, **options)
