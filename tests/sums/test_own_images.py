"""Pairs i = j: a particle itself, and its own images, in all three meanings and on all backends alike."""

import math
from itertools import product

import pytest
import torch

import interflow as fl
from interflow.errors import ArgumentError
from interflow.sums import quadratic
from tests.sums.cases import cloud, signed_weights

SELF_PAIRS = [True, False, "images"]
every_meaning = pytest.mark.parametrize("self_pairs", SELF_PAIRS, ids=str)
every_images = pytest.mark.parametrize("images", ["nearest", "all"])
BACKENDS = {
    "dense": None,
    "compiled": None,
    "keops": None,
    "sorted": None,
    "auto": None,
    "fourier": 1e-9,
    "nufft": 1e-9,
}
COMPILING = ("compiled", "keops")
"""Backends that compile each formula for long; what the pairs i = j add to it is the same for all backends.

They take each kind of images and each meaning of the pairs i = j, in as few programs as there can be; every combination
with --full. All images with all pairs are summed by them in `test_images.py`.
"""
FEW_PROGRAMS = {("nearest", True), ("nearest", "images"), ("all", False)}


def torus(images, length=0.9):
    return fl.PeriodicBoundary(length, lower=-0.1, images=images)


def matrices(kernel, x, y, boundary, self_pairs, shells=40):
    """The kernel of all pairs, from the images one by one, with what the pairs i = j count for."""
    period = boundary.lengths.expand(x.shape[1])
    near = x[:, None] - y[None]
    near = near - period * (near / period).round()
    reach = range(-shells, shells + 1) if boundary.images == "all" else range(1)
    shifts = torch.cartesian_prod(*[torch.tensor(list(reach), dtype=torch.float64)] * x.shape[1])
    shifts = shifts.reshape(-1, x.shape[1])
    itself = torch.eye(len(x), len(y), dtype=torch.bool)
    total = torch.zeros(len(x), len(y), dtype=torch.float64)
    for shift in shifts:
        dropped = itself & (self_pairs is False or (self_pairs == "images" and not bool(shift.any())))
        apart = torch.where(dropped[..., None], 0.4 * period, near + shift * period)
        total = total + torch.where(dropped, 0.0, kernel.evaluate(apart.unbind(-1)))
    return total


@pytest.mark.parametrize(
    ("images", "self_pairs", "backend"),
    [
        pytest.param(*case, marks=[pytest.mark.full] if case[2] in COMPILING and case[:2] not in FEW_PROGRAMS else [])
        for case in product(["nearest", "all"], SELF_PAIRS, BACKENDS)
    ],
    ids=str,
)
@pytest.mark.parametrize("clouds", ["one", "two"])
def test_pairs_of_equal_index_count_alike_on_every_backend(backend, clouds, images, self_pairs):
    tolerance, boundary = BACKENDS[backend], torus(images)
    kernel = fl.LaplacianKernel(0.15) if tolerance is None else fl.GaussianKernel(0.05)
    x, w = cloud(30, 1, 0), signed_weights(30, 1)
    y = x if clouds == "one" else cloud(30, 1, 2)
    options = {"boundary": boundary, "backend": backend, "self_pairs": self_pairs, "tolerance": tolerance}
    u, f = fl.potential_and_field(kernel, x, y, w, **options)
    rows = x.clone().requires_grad_()
    expected = matrices(kernel, rows, y, boundary, self_pairs) @ w
    accuracy = 1e-8 if tolerance else 1e-11
    torch.testing.assert_close(u, expected.detach(), rtol=accuracy, atol=accuracy)
    if backend not in COMPILING:
        torch.testing.assert_close(fl.potential(kernel, x, y, w, **options), u, rtol=accuracy, atol=accuracy)
        torch.testing.assert_close(fl.field(kernel, x, y, w, **options), f, rtol=accuracy, atol=accuracy)
    if clouds == "two":
        (slope,) = torch.autograd.grad(expected.sum(), rows)
        torch.testing.assert_close(f, slope, rtol=10 * accuracy, atol=100 * accuracy)
    elif backend not in COMPILING:
        form = quadratic(kernel, x, w, **options)
        torch.testing.assert_close(form, w @ expected.detach(), rtol=accuracy, atol=10 * accuracy)


def test_one_lennard_jones_atom_has_the_energy_of_its_own_images():
    kernel = fl.LennardJonesKernel(1.0, 1.0, cutoff=2.5)
    energy = fl.InteractionEnergy(kernel, boundary=fl.PeriodicBoundary(1.7, images="all"))
    x = torch.tensor([[0.3, 1.2, 0.1]], dtype=torch.float64, requires_grad=True)
    value = energy(x)
    assert value.item() == pytest.approx(-0.4533, abs=5e-5)
    images = [(i, j, k) for i in range(-1, 2) for j in range(-1, 2) for k in range(-1, 2)]
    distances = [1.7 * math.hypot(*image) for image in images]
    of_shells = sum(kernel.profile(torch.tensor(r * r, dtype=torch.float64)).item() for r in distances if 0 < r < 2.5)
    assert value.item() == pytest.approx(0.5 * of_shells, rel=1e-12)
    assert energy.velocity(x.detach()).abs().max() == 0.0
    both = energy.value_and_velocity(x.detach())
    assert both[0].item() == pytest.approx(value.item(), rel=1e-12)
    (slope,) = torch.autograd.grad(value, x, allow_unused=True, materialize_grads=True)
    assert slope.abs().max() == 0.0


def test_an_atom_with_its_images_is_a_crystal_of_several_in_a_larger_box():
    kernel = fl.LennardJonesKernel(1.0, 1.0, cutoff=2.5)
    small, large = (fl.PeriodicBoundary(length, images="all") for length in (1.7, 3.4))
    x = torch.tensor([[0.3, 1.2, 0.1]], dtype=torch.float64)
    shifts = 1.7 * torch.cartesian_prod(*[torch.arange(2, dtype=torch.float64)] * 3)
    one, eight = fl.InteractionEnergy(kernel, boundary=small), fl.InteractionEnergy(kernel, boundary=large)
    a = torch.ones(8, dtype=torch.float64)
    torch.testing.assert_close(eight(x + shifts, a), 8 * one(x, a[:1]), rtol=1e-12, atol=0.0)


def test_own_images_pull_on_parameters_and_periods_to_second_order():
    class Energy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = fl.LennardJonesKernel(1.0, 1.0, cutoff=2.5, learnable=True)
            self.torus = fl.PeriodicBoundary(1.7, images="all")

        def forward(self, x, w):
            return quadratic(self.kernel, x, w, boundary=self.torus, self_pairs="images", backend="dense")

    module, x = Energy(), torch.tensor([[0.3, 1.2], [1.0, 0.5]], dtype=torch.float64)
    w = torch.tensor([0.7, 1.1], dtype=torch.float64)

    def energy(sigma, length, w):
        values = {"kernel.log_sigma": sigma.log(), "torus.lengths": length}
        return torch.func.functional_call(module, values, (x, w))

    def expected(sigma, length, w):
        total = torch.zeros((), dtype=torch.float64)
        for i in range(2):
            for j in range(2):
                for n in torch.cartesian_prod(*[torch.arange(-4.0, 5.0, dtype=torch.float64)] * 2):
                    r2 = (x[i] - x[j] + n * length).square().sum()
                    if 0.0 < r2.item() < 6.25:
                        sixth, cut = (sigma**2 / r2) ** 3, (sigma**2 / 6.25) ** 3
                        total = total + 4.0 * w[i] * w[j] * (sixth * (sixth - 1) - cut * (cut - 1))
        return total

    inputs = [torch.tensor(1.0, dtype=torch.float64), torch.tensor(1.7, dtype=torch.float64), w]
    inputs = [value.requires_grad_() for value in inputs]
    orders = []
    for function in (energy, expected):
        first = torch.autograd.grad(function(*inputs), inputs, create_graph=True)
        mixed = (first[0] * first[1] + first[2].square().sum()).sum()
        orders.append([*first, *torch.autograd.grad(mixed, inputs)])
    torch.testing.assert_close(orders[0], orders[1], rtol=1e-10, atol=1e-10)


@every_meaning
def test_an_unbiased_estimate_and_a_form_differentiate_as_their_pairs_do(self_pairs):
    kernel, boundary = fl.LaplacianKernel(0.15, learnable=True), torus("all")
    x, w = cloud(6, 1, 0), signed_weights(6, 1)
    gradients = []
    for backend in ("dense", "sorted"):
        points, masses = x.clone().requires_grad_(), w.clone().requires_grad_()
        form = quadratic(kernel, points, masses, boundary=boundary, self_pairs=self_pairs, backend=backend)
        first = torch.autograd.grad(form, [points, masses, kernel.log_sigma], create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), [points, masses, kernel.log_sigma])
        gradients.append([*first, *second])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-9)


def test_an_unbiased_estimate_is_one_number_on_every_backend():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(300, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    boundary = fl.PeriodicBoundary(1.0, images="all")
    values = [
        fl.MMD(fl.LaplacianKernel(0.5), boundary=boundary, estimator="unbiased", backend=backend)(x, y).item()
        for backend in ("dense", "sorted", "auto")
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-9)


def test_own_images_count_inside_of_compiled_graphs_and_transforms():
    kernel, boundary = fl.LaplacianKernel(0.15), torus("all")
    x, w = cloud(6, 2, 0), signed_weights(6, 1)

    def total(x):
        return fl.potential(kernel, x, x, w, boundary=boundary, self_pairs="images", backend="dense").square().sum()

    def plain(x):
        return (matrices(kernel, x, x, boundary, "images", shells=8) @ w).square().sum()

    expected = plain(x)
    torch.testing.assert_close(total(x), expected, rtol=1e-10, atol=0.0)
    torch.testing.assert_close(torch.func.vmap(total)(x[None])[0], expected, rtol=1e-10, atol=0.0)
    torch.testing.assert_close(torch.compile(total, fullgraph=True, backend="eager")(x), expected, rtol=1e-10, atol=0.0)


@every_meaning
@every_images
def test_a_check_of_two_clouds_passes_where_the_promise_is_kept(images, self_pairs):
    x, y, w = cloud(700, 2, 0), cloud(700, 2, 1), signed_weights(700, 2)
    options = {"backend": "fourier", "tolerance": 1e-4, "check": True}
    fl.potential_and_field(fl.GaussianKernel(0.05), x, y, w, boundary=torus(images), self_pairs=self_pairs, **options)


def test_what_self_pairs_may_be_is_said():
    x = cloud(3, 1, 0)
    for wrong in ("all", None, 2):
        with pytest.raises(ArgumentError, match=r"self_pairs.*True, False or 'images'"):
            fl.potential(fl.GaussianKernel(0.1), x, x, self_pairs=wrong)
    with pytest.raises(ArgumentError, match=r"self_pairs.*'images' with 3 and 2 points"):
        fl.explain(fl.GaussianKernel(0.1), x, x[:2], self_pairs="images")
