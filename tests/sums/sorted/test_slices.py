"""In several dimensions, sums of distances by slices keep what is promised."""

import math

import pytest
import torch

import interflow as fl
from interflow.boundaries import PeriodicBoundary
from interflow.errors import ArgumentError, BackendError
from interflow.kernels import DistanceKernel, GaussianKernel
from interflow.sums import field, kernel_distance, potential
from interflow.sums.backends.sorted import Sorted
from interflow.sums.sorted import directions, planar_error, planar_slope_error, seed_of
from interflow.sums.sorted.directions import projection_constant
from tests.sums.cases import cloud, signed_weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs_of(kind, dimension=2, dtype=torch.float64):
    x, y = cloud(60, dimension, 0), cloud(70, dimension, 1)
    if kind == "clustered":
        x, y = 1e-3 * x, torch.cat([1e-3 * y[:60], y[60:]])
    if kind == "duplicated":
        x, y = (4 * x).round() / 4, (4 * y).round() / 4
    if kind == "offset":
        x, y = x + 2.0**13, y + 2.0**13
    return x.to(dtype), y.to(dtype)


@pytest.mark.parametrize("count", [1, 2, 5, 32])
def test_a_fan_has_every_distance_and_every_gradient_within_its_bounds(count):
    lines = directions(count, 2, "design", generator())
    angles = torch.linspace(0.0, math.pi, 5001, dtype=torch.float64)
    unit = torch.stack([angles.cos(), angles.sin()])
    along = lines @ unit
    values = projection_constant(2) * along.abs().mean(0)
    slopes = projection_constant(2) * lines.mT @ along.sign() / count
    assert float((values - 1.0).abs().max()) <= planar_error(count) * (1 + 1e-12)
    assert float((slopes - unit).norm(dim=0).max()) <= planar_slope_error(count) * (1 + 1e-12)
    if count > 2:
        assert planar_error(count) <= 0.84 / count**2
        assert planar_slope_error(count) <= 1.6 / count


@pytest.mark.parametrize("dimension", [2, 3, 5, 17])
@pytest.mark.parametrize("sampling", ["design", "random", "quasi"])
def test_directions_are_unit_vectors_that_a_seed_repeats(dimension, sampling):
    lines = directions(40, dimension, sampling, generator(3))
    assert lines.shape == (40, dimension)
    torch.testing.assert_close(lines.norm(dim=1), torch.ones(40, dtype=torch.float64))
    assert torch.equal(lines, directions(40, dimension, sampling, generator(3)))


@pytest.mark.parametrize("dimension", [3, 8])
def test_frames_have_the_mean_square_of_the_sphere(dimension):
    lines = directions(3 * dimension, dimension, "design", generator())
    torch.testing.assert_close(lines.mT @ lines / len(lines), torch.eye(dimension, dtype=torch.float64) / dimension)


@pytest.mark.parametrize("kind", ["uniform", "clustered", "duplicated", "offset"])
@pytest.mark.parametrize("count", [8, 64])
def test_sums_of_positive_masses_keep_the_bounds_of_a_distance(kind, count):
    x, y = pairs_of(kind)
    backend = Sorted(directions=count, seed=2)
    exact = potential(DistanceKernel(), x, y, backend="dense")
    error = potential(DistanceKernel(), x, y, backend=backend) - exact
    assert bool((error.abs() <= planar_error(count) * exact.abs() * (1 + 1e-9)).all())
    slope = field(DistanceKernel(), x, y, backend=backend) - field(DistanceKernel(), x, y, backend="dense")
    assert float(slope.norm(dim=1).max()) <= planar_slope_error(count) * (1 + 1e-9)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("kind", ["uniform", "clustered", "duplicated"])
def test_a_tolerance_in_the_plane_is_kept(tolerance, kind):
    x, y = pairs_of(kind)
    for weights in (None, signed_weights(70, 3)):
        exact = potential(DistanceKernel(), x, y, weights, backend="dense")
        error = potential(DistanceKernel(), x, y, weights, backend=Sorted(), tolerance=tolerance) - exact
        mass = 1.0 if weights is None else float(weights.abs().sum())
        scale = math.sqrt(len(x)) * mass * float(torch.cdist(x, y).max())
        assert float(error.norm()) <= tolerance * (float(exact.norm()) + 0.01 * scale)
    if tolerance >= 1e-2:
        exact = field(DistanceKernel(), x, y, backend="dense")
        error = field(DistanceKernel(), x, y, backend=Sorted(), tolerance=tolerance) - exact
        assert float(error.norm()) <= tolerance * (float(exact.norm()) + 0.01 * math.sqrt(len(x)))


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2])
def test_gradients_of_potentials_and_of_forms_are_held_to_what_is_promised_of_fields(tolerance):
    x, y = pairs_of("clustered")
    for points in (x.clone().requires_grad_(), x[:7].clone().requires_grad_()):
        options = {"backend": Sorted(), "tolerance": tolerance}
        (slope,) = torch.autograd.grad(potential(DistanceKernel(), points, y, **options).sum(), points)
        exact = field(DistanceKernel(), points.detach(), y, backend="dense")
        assert float((slope - exact).norm()) <= tolerance * (float(exact.norm()) + 0.01 * math.sqrt(len(points)))
        (slope,) = torch.autograd.grad(kernel_distance(DistanceKernel(), points, y, **options), points)
        whole = field(DistanceKernel(), points.detach(), points.detach(), backend="dense") - exact
        assert float((0.5 * slope * len(points) - whole).norm()) <= 0.02 * tolerance * math.sqrt(len(points))
    with pytest.raises(BackendError, match="differentiated once"):
        field(DistanceKernel(), points, y, **options)


@pytest.mark.parametrize("dimension", [3, 6])
@pytest.mark.parametrize("sampling", ["design", "random", "quasi"])
def test_more_directions_come_nearer(dimension, sampling):
    x, y = pairs_of("uniform", dimension)
    exact = potential(DistanceKernel(), x, y, backend="dense")

    def error(count):
        backends = [Sorted(directions=count, sampling=sampling, seed=seed) for seed in range(6)]
        return sum(float((potential(DistanceKernel(), x, y, backend=b) - exact).norm()) ** 2 for b in backends) ** 0.5

    assert error(256) < 0.5 * error(16)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_those_of_the_slices(dimension, dtype):
    x, y = (points.requires_grad_() for points in pairs_of("uniform", dimension, dtype))
    weights = signed_weights(70, 4, dtype).requires_grad_()
    lines = directions(12, dimension, "design", generator(5)).to(dtype)
    u = potential(2.0 * DistanceKernel(), x, y, weights, backend=Sorted(directions=12, seed=5))
    gap = (x @ lines.mT)[:, None] - (y @ lines.mT)[None]
    plain = -2.0 * projection_constant(dimension) * gap.abs().mean(-1) @ weights
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(u, plain, **close)
    seeds = signed_weights(60, 6, dtype)
    found = torch.autograd.grad((u * seeds).sum(), [x, y, weights])
    expected = torch.autograd.grad((plain * seeds).sum(), [x, y, weights])
    torch.testing.assert_close(found, expected, **close)


def test_a_second_derivative_is_refused():
    x, y = (points.requires_grad_() for points in pairs_of("uniform"))
    backend = Sorted(directions=8)
    u = potential(DistanceKernel(), x, y, backend=backend).square().sum()
    (first,) = torch.autograd.grad(u, x, create_graph=True)
    with pytest.raises(BackendError, match="differentiated once"):
        first.sum().backward()
    value = kernel_distance(DistanceKernel(), x, y, backend=backend)
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    with pytest.raises(BackendError, match="differentiated once"):
        first.sum().backward()


def test_the_fan_turns_with_the_points_and_repeats_with_them():
    x, y = pairs_of("uniform")
    turning = Sorted(directions=4, redraw=True)
    moved = x.clone()
    moved[3, 1] += 1e-12
    fields = [field(DistanceKernel(), points, y, backend=turning) for points in (x, moved, x.clone())]
    assert torch.equal(fields[0], fields[2])
    assert float((fields[0] - fields[1]).norm()) > 1e-2
    fixed = Sorted(directions=4)
    still = [field(DistanceKernel(), points, y, backend=fixed) for points in (x, moved)]
    assert float((still[0] - still[1]).norm()) < 1e-2
    assert seed_of(0, x) != seed_of(1, x)


def test_the_mean_over_turned_fans_is_the_field():
    x, y = pairs_of("uniform")
    exact = field(DistanceKernel(), x, y, backend="dense")
    fields = torch.stack([field(DistanceKernel(), x, y, backend=Sorted(directions=2, seed=s)) for s in range(400)])
    error = (fields.mean(0) - exact) / (fields.std(0) / 20.0)
    assert float(error.square().mean()) < 1.5
    assert float(error.abs().max()) < 5.0


def test_a_flow_with_a_turning_fan_repeats_from_any_of_its_states():
    target = cloud(50, 2, 1)

    def system():
        loss = fl.EnergyDistance(backend=Sorted(directions=3, redraw=True))
        energy = fl.DiscrepancyEnergy(loss, target)
        return fl.ParticleSystem(cloud(40, 2, 0), energy=energy, integrator=fl.Euler(step_size=0.05))

    whole, halves = system(), system()
    whole.simulate(6)
    halves.simulate(3)
    resumed = system()
    resumed.load_state_dict(halves.state_dict())
    resumed.simulate(3)
    assert torch.equal(whole.positions, resumed.positions)


REFUSED = {
    "no number of directions": (DistanceKernel(), 2, None, Sorted(), None, "slices approximate"),
    "no bound in space": (DistanceKernel(), 3, None, Sorted(), 1e-2, "statistical"),
    "no bound at random": (DistanceKernel(), 2, None, Sorted(sampling="random"), 1e-2, "statistical"),
    "too few directions": (DistanceKernel(), 2, None, Sorted(directions=4), 1e-3, "4 directions promise"),
    "another kernel": (GaussianKernel(0.1), 2, None, Sorted(directions=4), None, "no sum of distances"),
    "exponentials in the plane": (fl.LaplacianKernel(0.1), 2, None, Sorted(directions=4), None, "p = 1 alone"),
    "another power": (DistanceKernel(1.5), 1, None, Sorted(), None, "no sum of distances"),
    "the torus": (DistanceKernel(), 2, PeriodicBoundary(1.0), Sorted(directions=4), None, "periodic"),
    "a wide kernel": (
        fl.LaplacianKernel(2.0),
        1,
        PeriodicBoundary(1.0, images="all"),
        Sorted(),
        None,
        "wider than the circle",
    ),
}


@pytest.mark.parametrize(
    ("kernel", "dimension", "boundary", "backend", "tolerance", "reason"), REFUSED.values(), ids=REFUSED
)
def test_what_cannot_be_done_is_refused_with_the_reason(kernel, dimension, boundary, backend, tolerance, reason):
    x, y = cloud(5, dimension, 0), cloud(6, dimension, 1)
    with pytest.raises(BackendError, match=reason):
        potential(kernel, x, y, boundary=boundary, backend=backend, tolerance=tolerance)


@pytest.mark.parametrize("options", [{"directions": 0}, {"directions": 2.5}, {"sampling": "fan"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError):
        Sorted(**options)
