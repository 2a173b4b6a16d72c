"""The energy of a law between pairs against its plain formula, its symmetry, and what is refused."""

import copy

import pytest
import torch

from interflow import GaussianKernel, Interaction, PeriodicBoundary, PositiveParameter
from interflow.boundaries import OpenBoundary
from interflow.energies import ExternalEnergy, InteractionEnergy
from interflow.errors import ArgumentError, KernelError
from tests.energies.clouds import Skewed, cloud, masses, velocity_from_definition

TORUS = PeriodicBoundary(1.0)


class Screened(Interaction):
    """Charges of either sign, screened, of a given length."""

    def __init__(self, length=0.4, learnable=False):
        super().__init__()
        self.length = PositiveParameter(length, learnable=learnable)

    def pair(self, displacement, i, j):
        r = displacement.square().sum().sqrt()
        return i.charge * j.charge * (-r / self.length).exp() / r


class Species(Interaction):
    """Gaussians whose heights stand in a table, within a cutoff."""

    def __init__(self, table, cutoff=0.45):
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor(table, dtype=torch.float64))
        self.cutoff = PositiveParameter(cutoff)

    def pair(self, displacement, i, j):
        return self.table[i.species, j.species] * (-displacement.square().sum()).exp()


class Chase(Interaction):
    """The first of a pair feels the second by its own charge alone."""

    def pair(self, displacement, i, j):
        return i.charge * (-displacement.square().sum()).exp()


class Heavy(Interaction):
    """A law that reads the weights itself."""

    def pair(self, displacement, i, j):
        return i.weight * j.weight * displacement.square().sum()


class Pull(Interaction):
    """A vector."""

    def pair(self, displacement, i, j):
        return displacement


def charges(count=12):
    return cloud(count, 1, seed=3)[:, 0] - 0.4


def kinds(count=12):
    return torch.arange(count) % 2


FEATURES = {"charge": charges(), "species": kinds()}
SYMMETRIC = [[1.0, -0.5], [-0.5, 2.0]]
LOPSIDED = [[1.0, -0.5], [0.5, 2.0]]


def screened_by_matrix(x, weights, q, boundary, length=0.4):
    displacement = boundary.displacement(x[:, None], x[None])
    off = ~torch.eye(len(x), dtype=torch.bool)
    r = torch.where(off[..., None], displacement, 1.0).square().sum(-1).sqrt()
    values = q[:, None] * q[None] * torch.exp(-r / length) / r
    return 0.5 * (weights[:, None] * weights[None] * torch.where(off, values, 0.0)).sum()


@pytest.mark.parametrize("boundary", [OpenBoundary(), TORUS], ids=["open", "torus"])
@pytest.mark.parametrize("weights", [None, masses()], ids=["uniform", "weighted"])
def test_value_and_velocity_are_those_of_the_plain_formula(boundary, weights):
    energy, x, q = InteractionEnergy(Screened(), boundary=boundary), cloud().requires_grad_(), charges()
    share = torch.full_like(q, 1 / 12) if weights is None else weights
    expected = screened_by_matrix(x, share, q, boundary)
    (gradient,) = torch.autograd.grad(expected, x)
    value, velocity = energy.value_and_velocity(x.detach(), weights, {"charge": q})
    torch.testing.assert_close(energy(x.detach(), weights, {"charge": q}), expected.detach(), rtol=1e-13, atol=0)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-13, atol=0)
    torch.testing.assert_close(velocity, -gradient / share[:, None], rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(energy.velocity(x.detach(), weights, {"charge": q}), velocity)


def test_momentum_is_conserved():
    x, a = cloud(), masses()
    velocity = InteractionEnergy(Screened(), boundary=TORUS).velocity(x, a, FEATURES)
    assert (a[:, None] * velocity).sum(0).norm() <= 1e-12 * velocity.norm()


@pytest.mark.parametrize("backend", ["dense", "compiled"])
def test_a_table_of_species_and_its_gradient(backend):
    law, x, s = Species(SYMMETRIC), cloud(), kinds()
    value = InteractionEnergy(law, backend=backend)(x, features={"species": s})
    squares = (x[:, None] - x[None]).square().sum(-1)
    near = (squares < 0.45**2) & ~torch.eye(12, dtype=torch.bool)
    matrix = torch.where(near, law.table[s[:, None], s[None]] * torch.exp(-squares), 0.0)
    torch.testing.assert_close(value, 0.5 * matrix.sum() / 144)
    torch.testing.assert_close(*(torch.autograd.grad(part, law.table)[0] for part in (value, 0.5 * matrix.sum() / 144)))


def test_a_law_may_read_the_weights_which_the_energy_multiplies_once_itself():
    x, a = cloud(), masses()
    squares = (x[:, None] - x[None]).square().sum(-1)
    torch.testing.assert_close(InteractionEnergy(Heavy())(x, a), 0.5 * (a**2) @ squares @ (a**2))


def test_the_velocity_can_be_differentiated_in_positions_features_and_parameters():
    energy, x, q, a = InteractionEnergy(Screened(learnable=True)), cloud(5), charges(5), masses(5)

    def speed(x, q, a, log_length):
        named = {"kernel.log_length": log_length}
        return torch.func.functional_call(_Velocity(energy), {f"energy.{k}": v for k, v in named.items()}, (x, q, a))

    inputs = [part.requires_grad_() for part in (x, q, a, torch.tensor(-1.0, dtype=torch.float64))]
    assert torch.autograd.gradcheck(speed, inputs)
    with torch.no_grad():
        plain = energy.velocity(x, a, {"charge": q})
    torch.testing.assert_close(energy.velocity(x, a, {"charge": q}), plain)


class _Velocity(torch.nn.Module):
    def __init__(self, energy):
        super().__init__()
        self.energy = energy

    def forward(self, x, q, a):
        return self.energy.velocity(x, a, {"charge": q})


def test_transforms_and_one_compiled_graph_give_the_same():
    energy, x, q = InteractionEnergy(Screened(), backend="dense"), cloud(), charges()
    expected = energy.velocity(x, None, {"charge": q})
    by_jacrev = -12 * torch.func.grad(lambda x: energy(x, None, {"charge": q}))(x)
    torch.testing.assert_close(by_jacrev, expected)
    compiled = torch.compile(lambda x, q: energy.velocity(x, None, {"charge": q}), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, q), expected)


@pytest.mark.parametrize("law", [Chase(), Species(LOPSIDED)], ids=["charge of one", "table"])
def test_a_law_that_is_not_symmetric_is_refused_unless_it_is_said(law):
    x, a = cloud(), masses()
    energy = InteractionEnergy(law)
    for method in (energy, energy.velocity, energy.value_and_velocity):
        with pytest.raises(ArgumentError, match=r"`kernel`.*symmetric.*symmetric=False"):
            method(x, a, FEATURES)
    said = InteractionEnergy(law, symmetric=False)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(said(leaf, a, FEATURES), leaf)
    torch.testing.assert_close(said.velocity(x, a, FEATURES), -gradient / a[:, None])


def test_symmetry_is_checked_once():
    law, x = Species(SYMMETRIC), cloud()
    energy = InteractionEnergy(law)
    first = energy.velocity(x, None, FEATURES)
    with torch.no_grad():
        law.table.copy_(torch.tensor(LOPSIDED))
    assert not torch.equal(energy.velocity(x, None, FEATURES), first)
    with pytest.raises(ArgumentError):
        InteractionEnergy(law).velocity(x, None, FEATURES)


def test_pairs_within_a_short_cutoff_among_many_are_found_by_the_check():
    with pytest.raises(ArgumentError, match="symmetric"):
        InteractionEnergy(Species(LOPSIDED))(10.0 * cloud(400), None, {"species": kinds(400)})


def test_a_check_that_saw_no_pair_within_the_cutoff_is_made_again():
    energy, x = InteractionEnergy(Species(LOPSIDED)), cloud(2)
    assert energy(100.0 * x, None, {"species": kinds(2)}).item() == 0.0
    with pytest.raises(ArgumentError, match="symmetric"):
        energy(0.1 * x, None, {"species": kinds(2)})


def test_a_kernel_that_is_said_not_to_be_symmetric_has_the_velocity_of_its_energy():
    x, a = cloud(), masses()
    energy = InteractionEnergy(GaussianKernel(0.4), symmetric=False)
    torch.testing.assert_close(energy.velocity(x, a), InteractionEnergy(GaussianKernel(0.4)).velocity(x, a))
    torch.testing.assert_close(
        InteractionEnergy(Skewed()).velocity(x, a), velocity_from_definition(InteractionEnergy(Skewed()), x, a)
    )


def test_sums_and_multiples_hand_features_to_the_terms_that_read_them():
    law, kernel, well = (
        InteractionEnergy(Screened()),
        InteractionEnergy(GaussianKernel(0.3)),
        ExternalEnergy(lambda x: x.square().sum(-1)),
    )
    x, a = cloud(), masses()
    energy = 2.0 * (law + kernel) - well
    value, velocity = energy.value_and_velocity(x, a, FEATURES)
    torch.testing.assert_close(value, 2.0 * (law(x, a, FEATURES) + kernel(x, a)) - well(x, a))
    torch.testing.assert_close(
        velocity, 2.0 * (law.velocity(x, a, FEATURES) + kernel.velocity(x, a)) - well.velocity(x, a)
    )
    torch.testing.assert_close(energy.velocity(x, a, FEATURES), velocity)
    torch.testing.assert_close(energy(x, a, FEATURES), value)
    assert energy.reads_features
    assert not (kernel + well).reads_features
    assert energy.kernels() != []
    assert "Screened" in energy.describe()


def test_an_energy_of_a_law_is_copied_with_its_law():
    law, x = Species(SYMMETRIC), cloud()
    energy = InteractionEnergy(law)
    twin = copy.deepcopy(energy)
    with torch.no_grad():
        twin.kernel.table.mul_(3.0)
    torch.testing.assert_close(twin(x, None, FEATURES), 3.0 * energy(x, None, FEATURES))
    assert energy.state_dict().keys() == {"kernel.table", "kernel.cutoff"}


def test_few_particles_and_none_have_an_energy():
    energy = InteractionEnergy(Screened())
    for count in (0, 1):
        value, velocity = energy.value_and_velocity(cloud(count), None, {"charge": charges(count)})
        assert value.item() == 0.0
        assert velocity.tolist() == [[0.0, 0.0]] * count


@pytest.mark.parametrize(
    ("law", "features", "error", "message"),
    [
        (Screened(), {"charge": charges(11)}, ArgumentError, r"features\['charge'\].*\(11,\).*\(12,\)"),
        (Screened(), {"charge": charges().float()}, ArgumentError, r"features\['charge'\].*float32.*float64"),
        (Screened(), {"charge": charges() > 0}, ArgumentError, r"features\['charge'\].*bool"),
        (Screened(), {"charge": [1.0] * 12}, ArgumentError, r"features\['charge'\].*list.*tensor"),
        (Screened(), {"weight": charges()}, ArgumentError, r"`features`.*weight"),
        (Screened(), {"my charge": charges()}, ArgumentError, r"`features`.*my charge"),
        (Screened(), charges(), ArgumentError, r"`features`.*Tensor.*mapping"),
        (Screened(), {"mess": charges()}, KernelError, r"`i\.charge`; there are .*`i\.mess`"),
        (Species(SYMMETRIC), {"species": kinds() + 1}, ArgumentError, "species.*2.*from 0 to 1"),
        (Pull(), None, ArgumentError, r"`kernel`.*vector.*number"),
    ],
)
def test_what_does_not_fit_is_refused(law, features, error, message):
    with pytest.raises(error, match=message):
        InteractionEnergy(law).velocity(cloud(), masses(), features)
