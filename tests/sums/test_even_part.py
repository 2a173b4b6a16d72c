"""At coincident points derivatives are those of the even part of the profile, on every exact backend."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from interflow.boundaries import OpenBoundary, PeriodicBoundary, ProductBoundary
from interflow.discrepancies import MMD
from interflow.kernels import (
    DistanceKernel,
    GaussianKernel,
    InversePowerKernel,
    Kernel,
    LaplacianKernel,
    LogarithmicKernel,
    MaternKernel,
    MorseKernel,
    PowerLawKernel,
    RadialKernel,
    SoftSphereKernel,
    WendlandKernel,
)
from interflow.parameters import PositiveParameter
from interflow.sums import field, potential, potential_and_field
from interflow.sums.backends.loop import operations_per_pair
from interflow.sums.formula import derive, formula_name
from tests.sums.cases import KERNELS, Ring, cloud, signed_weights

# torch's own use of its own deprecated function, when forward mode is first used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

EXACT = ["dense", *(pytest.param(name, marks=pytest.mark.full) for name in ("compiled", "keops"))]
exact_backends = pytest.mark.parametrize("backend", EXACT)


class Written(RadialKernel):
    """A profile of r that a user writes with √, and a length."""

    def __init__(self, function, length: float = 0.5, *, learnable: bool = False) -> None:
        super().__init__()
        self.function = function
        self.length = PositiveParameter(length, learnable=learnable)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return self.function(squared_distance.sqrt(), squared_distance, self.length)


def wendland(r, s, length):
    return (1.0 - r / length).relu() ** 4 * (1.0 + 4.0 * r / length)


def cut(r, s, length):
    return torch.where(r < length, (length - r).square(), 0.0 * r)


def clamped(r, s, length):
    return (1.0 - r / length).clamp(min=0.0).square() * (-s).exp()


def sine_over_r(r, s, length):
    return torch.where(r > 0.0, (r / length).sin() / r, 1.0 / length)


def stretched(r, s, length):
    return (1.0 + r**1.3) * (-s / length**2).exp()


def mixed(r, s, length):
    return (2.0 * s).sqrt() * r + (r / length).cos() * (s / length**2 * 3.0).sqrt().exp()


def quartic(r, s, length):
    return 1.0 + r + r**2 + r**3 + r**4 + r**5 + r**6


EVEN = {
    "gaussian": (lambda: GaussianKernel(0.5), (-4.0, 16.0 / 8)),
    "laplacian": (lambda: LaplacianKernel(0.5), (4.0, 16.0 / 24)),
    "matern-3/2": (lambda: MaternKernel(0.5, 1.5), (-3.0 / 0.25, 9.0 / 0.0625 * (1 / 24 - 1 / 6))),
    "matern-5/2": (lambda: MaternKernel(0.5, 2.5), (-5.0 / 3 / 0.25, 25.0 / 0.0625 / 24)),
    "distance": (DistanceKernel, (0.0, 0.0)),
    "distance-1.3": (lambda: DistanceKernel(1.3), (0.0, 0.0)),
    "ring": (lambda: Ring(0.5), (2.0, 0.0)),
    "morse": (lambda: MorseKernel(1.0, 0.6, 3.0, 0.2), (3 / 0.04 - 1 / 0.36, (3 / 0.2**4 - 1 / 0.6**4) / 24)),
    "soft-sphere": (lambda: SoftSphereKernel(1.5, 0.4), (1.5 / 0.16, 0.0)),
    "soft-sphere-5/2": (
        lambda: SoftSphereKernel(1.5, 0.4, 2.5),
        (1.5 * 1.5 / 0.16, 0.6 * (2.5 * 1.5 * 0.5 * -0.5 / 24) / 0.4**4),
    ),
    "wendland": (lambda: Written(wendland), (-20.0 / 0.25, -15.0 / 0.0625)),
    "wendland-0": (lambda: WendlandKernel(0.5, 0), (2.0 / 0.25, 0.0)),
    "wendland-1": (lambda: WendlandKernel(0.5, 1), (-20.0 / 0.25, -15.0 / 0.0625)),
    "wendland-2": (lambda: WendlandKernel(0.5, 2), (-28.0 / 3 * 2 / 0.25, 70.0 / 0.0625)),
    "power-law": (lambda: PowerLawKernel(4.0, 1.0), (0.0, 0.25)),
    "cut": (lambda: Written(cut), (2.0, 0.0)),
    "clamped": (lambda: Written(clamped), (2.0 * (4.0 - 1.0), 0.5 - 4.0)),
    "sine over r": (lambda: Written(sine_over_r), (-8.0 / 3, 32.0 / 120)),
    "stretched": (lambda: Written(stretched), (-8.0, 8.0)),
    "mixed": (
        lambda: Written(mixed),
        (2 * (math.sqrt(2) + 12 / 2 - 2), 16 / 24 - 2 * 6 + 144 / 24),
    ),
    "quartic": (lambda: Written(quartic), (2.0, 1.0)),
    "sum": (lambda: GaussianKernel(0.5) + 2.0 * DistanceKernel(), (-4.0, 2.0)),
    "sum with a singular one": (lambda: GaussianKernel(0.5) + LogarithmicKernel(), (-4.0, 2.0)),
}
"""A kernel with 2c₂ and c₄ of its profile ``c₀ + c₁ r + c₂ r² + …``."""
every_profile = pytest.mark.parametrize("name", EVEN)


def along(kernel: Kernel, dimension: int, orders: int, **options) -> list[Tensor]:
    """Derivatives of the potential of one point at another at the same place, along ``e₁ + … + e_d``."""
    dtype = options.pop("dtype", torch.float64)
    y = torch.full((1, dimension), 0.25, dtype=dtype)
    t = torch.zeros((), dtype=dtype, requires_grad=True)
    value = potential(kernel, y + t, y, **options).sum()
    found = []
    for _ in range(orders):
        (value,) = torch.autograd.grad(value, t, create_graph=True, materialize_grads=True)
        found.append(value)
        if not value.requires_grad:
            value = value + 0.0 * t
    return found


@exact_backends
@every_profile
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dimension", [1, 2, 9])
def test_derivatives_to_fourth_order_are_those_of_the_even_part(name, dtype, dimension, backend):
    make, (twice_c2, c4) = EVEN[name]
    found = along(make(), dimension, 4, backend=backend, dtype=dtype)
    expected = [0.0, twice_c2 * dimension, 0.0, 24.0 * c4 * dimension**2]
    scale = 1.0 + abs(expected[1]) + abs(expected[3])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for ours, right in zip(found, expected, strict=True):
        assert abs(ours.item() - right) <= tolerance * scale


@exact_backends
@every_profile
def test_the_hessian_is_a_multiple_of_the_identity(name, backend):
    make, (twice_c2, _) = EVEN[name]
    y = cloud(1, 3, 0)
    hessian = torch.func.hessian(lambda x: potential(make(), x, y, backend=backend).sum())(y.clone())
    torch.testing.assert_close(hessian.reshape(3, 3), twice_c2 * torch.eye(3).double(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ["dense", "sorted", "auto"])
@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (MaternKernel(1.0, 1.5), 6.0),
        (MaternKernel(1.0, 2.5), 10.0 / 3.0),
        (GaussianKernel(1.0), 2.0),
        (LaplacianKernel(1.0), -2.0),
        (DistanceKernel(), 0.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_second_derivative_of_a_discrepancy_of_equal_points_is_that_of_the_kernel(kernel, expected, backend):
    if backend == "sorted" and isinstance(kernel, GaussianKernel):
        pytest.skip("not a sum of exponentials of distances")
    y = torch.zeros(1, 1, dtype=torch.float64)
    loss = MMD(kernel, backend=backend)
    x = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(x, y), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    assert second.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@exact_backends
@pytest.mark.parametrize("name", ["laplacian", "matern-3/2", "matern-5/2", "soft-sphere-5/2", "wendland"])
def test_the_hessian_at_coincident_points_is_differentiated_by_parameters(name, backend):
    make = {**KERNELS, "wendland": lambda: Written(wendland, learnable=True)}[name]

    def curvature(length: float) -> tuple[Kernel, Tensor]:
        kernel = make()
        last = list(kernel.parameters())[-1]
        with torch.no_grad():
            last.fill_(math.log(length))
        return kernel, along(kernel, 2, 2, backend=backend)[1]

    kernel, found = curvature(0.4)
    (slope,) = torch.autograd.grad(found, list(kernel.parameters())[-1])
    # 2c₂ of all of them is in proportion to 1/length²
    assert slope.item() == pytest.approx(-2.0 * found.item(), rel=1e-12)
    assert curvature(0.2)[1].item() == pytest.approx(4.0 * found.item(), rel=1e-12)


@exact_backends
@pytest.mark.parametrize("images", ["nearest", "all"])
@pytest.mark.parametrize("name", ["laplacian", "matern-3/2"])
def test_on_a_torus_the_central_image_alone_coincides(name, images, backend):
    kernel = {"laplacian": LaplacianKernel(0.05), "matern-3/2": MaternKernel(0.05, 1.5)}[name]
    torus = PeriodicBoundary(torch.tensor([1.0, 1.25]), images=images)
    found, expected = (along(kernel, 2, 3, backend=backend, boundary=b) for b in (torus, OpenBoundary()))
    for ours, right in zip(found, expected, strict=True):
        assert ours.item() == pytest.approx(right.item(), rel=1e-6, abs=1e-6)
    mixed = ProductBoundary([PeriodicBoundary(1.0), OpenBoundary()])
    assert along(kernel, 2, 2, backend=backend, boundary=mixed)[1].item() == pytest.approx(expected[1].item())


@pytest.mark.parametrize("many", [False, True])
def test_second_derivatives_of_a_cloud_some_of_whose_points_coincide_are_those_of_differences(many):
    x, y, w = cloud(4, 8 if many else 2, 0), cloud(5, 8 if many else 2, 1), signed_weights(5, 2)
    y[:2] = x[:2]
    y[2] = y[1]
    kernel = MaternKernel(0.5, 2.5, learnable=True)
    inputs = tuple(value.requires_grad_() for value in (x, y, w))

    def total(x, y, w):
        u, f = potential_and_field(kernel, x, y, w, backend="dense")
        return u.sum() + (f * signed_weights(f.numel(), 3).view_as(f)).sum()

    assert torch.autograd.gradcheck(total, inputs)
    assert torch.autograd.gradgradcheck(lambda x, y, w: potential(kernel, x, y, w, backend="dense"), inputs)


def test_weights_and_many_pairs_add_up():
    x, kernel = cloud(3, 2, 0), MaternKernel(0.3, 1.5)
    y, w = x[[0, 0, 1]].clone(), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    hessians = torch.stack(
        [
            torch.func.hessian(lambda p, j=j: potential(kernel, p[None], y[j : j + 1], w[j : j + 1])[0])(x[0])
            for j in range(3)
        ]
    )
    together = torch.func.hessian(lambda p: potential(kernel, p[None], y, w)[0])(x[0])
    torch.testing.assert_close(together, hessians.sum(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hessians[0], -0.5 * 3.0 / 0.09 * torch.eye(2).double(), rtol=1e-12, atol=1e-12)


def screened(r, s, length):
    return (-s / length).exp() / r


def plate(r, s, length):
    return s * s.log()


SINGULAR = {
    **{name: KERNELS[name] for name in ("logarithmic", "inverse-power", "lennard-jones", "lennard-jones-cut")},
    "coulomb": lambda: InversePowerKernel(1.0),
    "screened": lambda: Written(screened),
    "plate": lambda: Written(plate),
}


@exact_backends
@pytest.mark.parametrize("name", [*KERNELS, *SINGULAR])
@pytest.mark.parametrize("dimension", [1, 2, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_field_of_coincident_points_is_0_for_every_kernel_and_its_derivatives_finite(
    name, dtype, dimension, backend
):
    kernel, x = {**KERNELS, **SINGULAR}[name](), torch.full((3, dimension), 0.25, dtype=dtype, requires_grad=True)
    f = field(kernel, x, x.detach(), backend=backend)
    assert f.count_nonzero() == 0
    (slope,) = torch.autograd.grad(f.sum(), x, materialize_grads=True)
    assert slope.isfinite().all()
    assert name not in SINGULAR or slope.count_nonzero() == 0


@pytest.mark.parametrize(
    ("name", "operations"),
    {
        "gaussian": (9, 12, 14),
        "laplacian": (13, 20, 22),
        "matern-3/2": (13, 24, 27),
        "matern-5/2": (17, 37, 40),
        "distance": (8, 12, 14),
    }.items(),
)
def test_potential_and_field_take_no_operation_for_pairs_that_coincide(name, operations):
    formula = formula_name(KERNELS[name](), OpenBoundary(), 2)
    names = [formula, *(derive(formula, kind, range(2)) for kind in ("row_gradient", "with_row_gradient"))]
    assert [operations_per_pair(part)[0] for part in names] == list(operations)


def test_second_derivatives_take_no_more_than_a_selection_for_pairs_that_coincide():
    """As many as they took when they were constant there."""
    for name, most in {"laplacian": 49, "matern-3/2": 65, "matern-5/2": 94, "distance": 36}.items():
        formula = derive(formula_name(KERNELS[name](), OpenBoundary(), 2), "row_gradient", range(2))
        assert operations_per_pair(derive(formula, "vjp_rows", range(2)))[0] <= most
