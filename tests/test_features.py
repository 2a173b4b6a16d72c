"""Features of particles: they belong to the state, stay as they are, and reach the energies that read them."""

import copy

import numpy as np
import pytest
import torch

from interflow import (
    ArgumentError,
    Energy,
    Euler,
    EulerMaruyama,
    Interaction,
    InteractionEnergy,
    Momentum,
    ParticleSystem,
    PeriodicBoundary,
    RungeKutta4,
    State,
    export,
    open_run,
)
from interflow.reporters import EnergyOf, MeanSpeed, Polarisation
from interflow.storage.points import read_points
from tests.flows import cloud, generator, masses, repulsion, same, well
from tests.storage.runs import same_frames, simulate

CHARGE = cloud(dimension=1, seed=3)[:, 0] - 0.4
FEATURES = {"charge": CHARGE, "species": torch.arange(12) % 2, "axis": cloud(seed=4)}
TORUS = PeriodicBoundary(1.0)


class Yukawa(Interaction):
    """Charges that stand in a smooth, screened potential."""

    def pair(self, displacement, i, j):
        return i.charge * j.charge * (-20.0 * displacement.square().sum()).exp()


class Field(Energy):
    """A user's energy of features: a uniform field on charges."""

    reads_features = True

    def forward(self, positions, weights=None, features=None):
        return (weights * features["charge"] * positions[:, 0]).sum()


class Plain(Energy):
    """A user's energy that knows of no features."""

    def forward(self, positions, weights=None):
        return positions.square().sum()


class Fused(Plain):
    """The same with a velocity of its own."""

    def value_and_velocity(self, positions, weights=None):
        return self(positions, weights), -2.0 * positions / weights[:, None]


ENERGY = InteractionEnergy(Yukawa(), boundary=TORUS) + 0.3 * repulsion(TORUS)


def charged(integrator=None, energy=ENERGY, features=FEATURES, **options):
    integrator = EulerMaruyama(0.01, temperature=0.1) if integrator is None else integrator
    return ParticleSystem(
        cloud(), energy=energy, integrator=integrator, features=features, generator=generator(), **options
    )


@pytest.mark.parametrize("integrator", [Euler(0.05), RungeKutta4(0.05), Momentum(0.05, friction=1.0)], ids=repr)
def test_a_step_moves_by_the_features_and_leaves_them(integrator):
    system = charged(integrator)
    start = system.state
    later = system.step(start)
    assert later.features.keys() == FEATURES.keys()
    assert all(torch.equal(later.features[name], value) for name, value in FEATURES.items())
    other = charged(integrator, features={"charge": 2.0 * CHARGE})
    assert not torch.equal(other.step(other.state).positions, later.positions)


def test_the_velocity_of_a_system_is_that_of_its_energy_with_the_features():
    system = charged(Euler(0.1), weights=masses())
    moved = system.step(system.state).positions
    velocity = ENERGY.velocity(cloud(), masses(), {"charge": CHARGE})
    torch.testing.assert_close(moved, TORUS.wrap(cloud() + 0.1 * velocity))


@pytest.mark.parametrize("plain", [Plain(), Fused()], ids=["derived", "fused"])
def test_energies_of_users_get_features_only_where_they_ask_for_them(plain):
    system = charged(Euler(0.1), energy=Field() + plain + well())
    moved = system.step(system.state).positions
    expected = cloud() - 0.1 * (24.0 * cloud() + cloud())
    expected[:, 0] -= 0.1 * CHARGE
    torch.testing.assert_close(moved, expected)


def test_what_the_caller_gave_is_copied():
    charge = CHARGE.clone()
    system = charged(features={"charge": charge})
    charge.zero_()
    assert torch.equal(system.state.features["charge"], CHARGE)
    with pytest.raises(TypeError):
        system.state.features["charge"] = charge


def test_observables_see_the_features():
    state = charged().state
    assert EnergyOf(ENERGY)(state) == ENERGY(state.positions, state.weights, FEATURES)
    assert all(observable(ENERGY)(state).isfinite() for observable in (MeanSpeed, Polarisation))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"charge": CHARGE[:-1]}, r"features\['charge'\].*\(11,\).*\(12,\)"),
        ({"charge": CHARGE.float()}, r"features\['charge'\].*float32"),
        ({"charge": 1.0}, r"features\['charge'\].*float.*tensor"),
        ({"position": CHARGE}, "`features`.*position"),
        ({"weight": CHARGE}, "`features`.*weight"),
        ({"velocity": cloud()}, "`features`.*velocity"),
        ({"mass": CHARGE}, "`features`.*mass"),
        ({"a b": CHARGE}, "`features`.*a b"),
        ({"ladung€": CHARGE}, "`features`"),
        ({"q" * 93: CHARGE}, "`features`.*93"),
        ([CHARGE], "`features`.*list.*mapping"),
    ],
    ids=str,
)
def test_features_that_do_not_fit_are_named(features, message):
    with pytest.raises(ArgumentError, match=message):
        charged(features=features)
    with pytest.raises(ArgumentError, match=message):
        State(cloud(), masses(), features=features)


def test_a_state_is_taken_apart_and_put_together_with_its_features():
    state = State(cloud(), masses(), features=FEATURES, carry={"charge": torch.ones(2)})
    assert same(State.from_dict(state.to_dict()), state)
    assert State.from_dict(state.to_dict()).features.keys() == FEATURES.keys()
    assert same(state.detach(), state)


def test_a_system_is_saved_copied_and_moved_with_its_features():
    system = charged()
    twin = copy.deepcopy(system)
    assert {"features.charge", "features.species"} < system.state_dict().keys()
    other = charged(features={name: torch.zeros_like(value) for name, value in FEATURES.items()})
    other.load_state_dict(system.state_dict())
    ends = [each.simulate(3, progress=False).final for each in (system, twin, other)]
    assert all(same(end, ends[0]) for end in ends)
    system.to(torch.float32)
    assert system.state.features["charge"].dtype == torch.float32
    assert system.state.features["species"].dtype == torch.int64
    assert system.simulate(2, progress=False).positions.dtype == torch.float32


def test_names_that_modules_have_themselves_are_names_of_features():
    system = charged(features={"charge": CHARGE, "type": FEATURES["species"], "training": CHARGE})
    twin = charged(features={"charge": CHARGE, "type": 1 - FEATURES["species"], "training": 0 * CHARGE})
    twin.load_state_dict(system.state_dict())
    assert same(twin.state, system.state)


def test_a_state_dict_with_other_features_is_refused():
    full, fewer, bare = (charged(features=features) for features in (FEATURES, {"charge": CHARGE}, None))
    for system, other in ((fewer, full), (bare, full), (full, fewer), (full, bare)):
        before = system.state
        with pytest.raises(ArgumentError, match="`features`"):
            system.load_state_dict(other.state_dict())
        assert same(system.state, before)


def test_gradients_of_a_rollout_reach_the_features():
    system, charge = charged(Euler(0.05)), CHARGE.clone().requires_grad_()

    def end(charge, gradient="full"):
        state = system.state.replace(features={"charge": charge})
        return system.rollout(3, state=state, gradient=gradient).positions[-1]

    gradients = [torch.autograd.grad(end(charge, mode).square().sum(), charge)[0] for mode in ("full", "checkpoint")]
    torch.testing.assert_close(*gradients)
    assert torch.autograd.gradcheck(end, charge)


class TestRunFolder:
    def test_a_run_that_goes_on_equals_one_that_was_never_broken(self, tmp_path):
        with pytest.raises(Exception, match="step 7"):
            simulate(charged(), tmp_path / "run", stop_at=7)
        resumed = simulate(charged(), tmp_path / "run", resume=True)
        assert same_frames(resumed, simulate(charged()))
        assert same(resumed.final, simulate(charged()).final)

    def test_features_are_kept_once_and_read_with_every_frame(self, tmp_path):
        simulate(charged(), tmp_path / "run")
        stored = open_run(tmp_path / "run")
        for features in (stored.features, stored[2].features, stored.final.features):
            assert features.keys() == FEATURES.keys()
            assert all(torch.equal(features[name], value) for name, value in FEATURES.items())
        chunks = (tmp_path / "run" / "frames.zarr" / "features" / "charge" / "c").rglob("*")
        assert [file.name for file in chunks if file.is_file()] == ["0"]

    def test_other_features_than_those_of_the_run_are_told_and_not_used(self, tmp_path, caplog):
        with pytest.raises(Exception, match="step 7"):
            simulate(charged(), tmp_path / "run", stop_at=7)
        other = charged(features={**FEATURES, "charge": 2.0 * CHARGE})
        assert same_frames(simulate(other, tmp_path / "run", resume=True), simulate(charged()))
        assert "its own features.charge" in caplog.text

    @pytest.mark.parametrize("features", [None, {"charge": CHARGE}, {**FEATURES, "radius": CHARGE}], ids=str)
    def test_a_run_with_other_features_is_another_run(self, tmp_path, features):
        with pytest.raises(Exception, match="step 7"):
            simulate(charged(), tmp_path / "run", stop_at=7)
        with pytest.raises(ArgumentError, match="features"):
            simulate(charged(features=features), tmp_path / "run", resume=True)


class TestExport:
    @pytest.fixture(params=["memory", "disk"])
    def solution(self, request, tmp_path):
        run = simulate(charged(), tmp_path / "run" if request.param == "disk" else None)
        return run if request.param == "memory" else open_run(tmp_path / "run")

    def test_npz_has_an_array_a_feature(self, solution, tmp_path):
        export(solution, tmp_path / "run.npz")
        with np.load(tmp_path / "run.npz") as arrays:
            for name, value in FEATURES.items():
                np.testing.assert_array_equal(arrays[f"features.{name}"], value.numpy())

    def test_ply_has_a_property_a_number(self, solution, tmp_path):
        columns = read_points(export(solution, tmp_path / "cloud.ply")[2]).columns
        np.testing.assert_array_equal(columns["charge"], CHARGE.numpy())
        np.testing.assert_array_equal(columns["species"], FEATURES["species"].numpy())
        np.testing.assert_array_equal(columns["axis_1"], FEATURES["axis"][:, 1].numpy())

    def test_xyz_has_a_property_a_feature_beside_the_species_of_dummies(self, solution, tmp_path):
        export(solution, tmp_path / "run.xyz")
        head = (tmp_path / "run.xyz").read_text().splitlines()[1]
        assert "Properties=species:S:1:pos:R:3:charge:R:1:species.1:I:1:axis:R:2:mass:R:1" in head
        np.testing.assert_array_equal(read_points(tmp_path / "run.xyz").columns["charge"], CHARGE.numpy())

    def test_gsd_has_types_and_charges(self, solution, tmp_path):
        hoomd = pytest.importorskip("gsd.hoomd")
        export(solution, tmp_path / "run.gsd")
        with hoomd.open(str(tmp_path / "run.gsd")) as trajectory:
            particles = trajectory[2].particles
            assert particles.types == ["A", "B"]
            np.testing.assert_array_equal(particles.typeid, FEATURES["species"].numpy())
            np.testing.assert_array_equal(particles.charge, CHARGE.float().numpy())
            np.testing.assert_array_equal(trajectory[2].log["particles/axis"], FEATURES["axis"].numpy())
