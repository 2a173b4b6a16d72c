"""The promised error, in the contract's norm, against sums over images that use none of the engine."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from itertools import product

import pytest
import torch

from interflow import sums
from interflow.boundaries import OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary
from interflow.discrepancies import MMD
from interflow.errors import BackendError
from interflow.kernels import BandlimitedEnergyKernel, GaussianKernel, LaplacianKernel, MaternKernel
from interflow.parameters import PositiveParameter
from interflow.sums import Fourier, Nufft, PairSum
from interflow.sums.api import prepare
from interflow.sums.backends.series import settings_of
from tests.sums.series.clouds import hard_cloud, numbers

KERNELS = {
    "gaussian": GaussianKernel(0.07),
    "wide gaussian": GaussianKernel(0.25),
    "matern": MaternKernel(0.15, 2.5),
    "laplacian": LaplacianKernel(0.2),
    "sum": 2.0 * GaussianKernel(0.2) + (-0.5) * GaussianKernel(0.05),
    "bandlimited energy": BandlimitedEnergyKernel(1.0, modes=5),
}
BOUNDARIES = {
    "all images": lambda d: PeriodicBoundary(1.0, images="all"),
    "nearest images": lambda d: PeriodicBoundary(1.0),
    "rectangle": lambda d: PeriodicBoundary(torch.tensor([1.0, 1.5, 1.2][:d]), images="all"),
    "open": lambda d: OpenBoundary(),
    "box": lambda d: ReflectingBoundary(-1.0, 2.0),
    "mixed": lambda d: ProductBoundary([PeriodicBoundary(1.0), OpenBoundary(), ReflectingBoundary(-1.0, 2.0)][:d]),
}
BACKENDS = {"fourier": Fourier(), "nufft": Nufft()}
TOLERANCES = (1e-2, 1e-4, 1e-6)
ALWAYS = {
    *(
        ("gaussian", boundary, d, tolerance)
        for boundary, d, tolerance in product(BOUNDARIES, (1, 2, 3), TOLERANCES)
        if boundary in ("all images", "open") or (d == 2 and tolerance == 1e-4) or (d != 2 and tolerance == 1e-2)
    ),
    *(("wide gaussian", boundary, 2, tolerance) for boundary in ("all images", "open") for tolerance in (1e-2, 1e-6)),
    *(("sum", "all images", d, tolerance) for d in (1, 2) for tolerance in TOLERANCES),
    *(("bandlimited energy", "all images", d, tolerance) for d in (1, 2, 3) for tolerance in (1e-2, 1e-6)),
    ("bandlimited energy", "nearest images", 2, 1e-4),
    *(("matern", "all images", d, tolerance) for d, tolerance in ((1, 1e-2), (1, 1e-4), (1, 1e-6), (2, 1e-2))),
    ("matern", "open", 1, 1e-4),
    ("laplacian", "all images", 1, 1e-2),
}
CASES = [
    pytest.param(*case, marks=[] if case in ALWAYS else [pytest.mark.full])
    for case in product(KERNELS, BOUNDARIES, (1, 2, 3), TOLERANCES)
    if (case[0] != "bandlimited energy" or case[1] in ("all images", "nearest images"))  # which has a torus of its own
    and (case[0] not in ("matern", "laplacian") or case[2] < 3)  # which need millions of modes
]


@functools.cache
def reference(kernel_name, boundary_name, dimension, dtype):
    """Potential and field, summed over images one by one in float64."""
    kernel, boundary = KERNELS[kernel_name], BOUNDARIES[boundary_name](dimension)
    x, y, weights = clouds(dimension, dtype)
    images = None if kernel_name == "bandlimited energy" else boundary.image_periods(dimension)  # periodic by itself
    shells = 0 if images is None else 3 if dimension < 3 else 2
    steps = torch.cartesian_prod(*[torch.arange(-shells, shells + 1.0)] * dimension).double().view(-1, dimension)
    displacement = boundary.displacement(x.double()[:, None], y.double()[None]).requires_grad_()
    total, slopes = torch.zeros(len(x), len(y), dtype=torch.float64), torch.zeros_like(displacement)
    for step in steps:
        values = kernel.evaluate((displacement if images is None else displacement + step * images).unbind(-1))
        total += values.detach()
        slopes += torch.autograd.grad(values.sum(), displacement)[0]
    return total @ weights.double(), torch.einsum("ijd,j->id", slopes, weights.double())


def clouds(dimension, dtype):
    weights = numbers(180, seed=9)
    weights[:90] = weights[:90].abs()  # those of the cluster add up
    return hard_cloud(200, dimension, 1).to(dtype), hard_cloud(180, dimension, 2).to(dtype), weights.to(dtype)


def share(result, expected, kernel, order, weights, dimension, tolerance):
    """The error as a part of what is promised."""
    scale = len(expected) ** 0.5 * weights.double().abs().sum() * kernel.supremum(order, dimension)
    return ((result.double() - expected).norm() / (tolerance * (expected.norm() + 0.01 * scale))).item()


def learnable_circle(images):
    """A circle whose period is learned."""
    torus = PeriodicBoundary(1.0, images=images)
    torus.lengths = PositiveParameter(1.0, learnable=True)
    return torus


def mmd(kernel, x, y, **options):
    """The discrepancy of two clouds."""
    return MMD(kernel, **options)(x, y)


@contextmanager
def refused_for(reason, unless):
    """What is inside is right, or refused with the reason, unless it may not be."""
    try:
        yield
    except BackendError as error:
        if unless or reason not in str(error):
            raise


def unsupported_reason(kernel, x, y, options):
    """Why the field is refused."""
    told = sums.explain(kernel, x, y, boundary=options["boundary"], tolerance=options["tolerance"])
    return next(
        candidate.unsupported_reason for candidate in told.candidates if candidate.name == options["backend"].name
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kernel_name", "boundary_name", "dimension", "tolerance"), CASES)
def test_the_error_is_under_the_promise(backend, kernel_name, boundary_name, dimension, tolerance, dtype):
    kernel, boundary = KERNELS[kernel_name], BOUNDARIES[boundary_name](dimension)
    x, y, weights = clouds(dimension, dtype)
    options = {"boundary": boundary, "backend": BACKENDS[backend], "tolerance": tolerance}
    if (kernel_name, boundary_name, dimension, tolerance) not in ALWAYS and unsupported_reason(kernel, x, y, options):
        with pytest.raises(BackendError, match="cannot run this sum"):
            sums.field(kernel, x, y, weights, **options)
        return
    expected_potential, expected_field = reference(kernel_name, boundary_name, dimension, dtype)
    potential = sums.potential(kernel, x, y, weights, **options)
    assert potential.dtype == dtype
    assert share(potential, expected_potential, kernel, 0, weights, dimension, tolerance) <= 1.0
    if kernel_name != "laplacian":  # whose field has no bound
        both = sums.potential_and_field(kernel, x, y, weights, **options)
        assert share(both[0], expected_potential, kernel, 0, weights, dimension, tolerance) <= 1.0
        assert share(both[1], expected_field, kernel, 1, weights, dimension, tolerance) <= 1.0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("boundary_name", ["all images", "open"])
def test_one_pair_meets_the_promise_that_all_pairs_share(backend, tolerance, boundary_name):
    kernel, boundary = KERNELS["gaussian"], BOUNDARIES[boundary_name](2)
    y = torch.tensor([[0.3, 0.99]], dtype=torch.float64)
    for shift in torch.linspace(0.0, 0.5, 11):
        x = y + torch.stack([shift, -shift]).double()
        result = sums.field(kernel, x, y, boundary=boundary, backend=BACKENDS[backend], tolerance=tolerance)
        expected = sums.field(kernel, x, y, boundary=boundary, backend="dense")
        assert share(result, expected, kernel, 1, torch.ones(1), 2, tolerance) <= 1.0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("boundary_name", ["all images", "open"])
def test_offset_clouds_keep_the_promise(backend, boundary_name):
    kernel, boundary = KERNELS["gaussian"], BOUNDARIES[boundary_name](2)
    x, y, weights = clouds(2, torch.float64)
    options = {"boundary": boundary, "tolerance": 1e-6}
    near = sums.field(kernel, x, y, weights, boundary=boundary, backend="dense")
    far = sums.field(kernel, x + 1e4, y + 1e4, weights, backend=BACKENDS[backend], **options)
    assert share(far, near, kernel, 1, weights, 2, 1e-6) <= 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_self_pairs_are_left_out_by_index(backend):
    kernel, torus = KERNELS["gaussian"], PeriodicBoundary(1.0)
    x = hard_cloud(60, 2, 3)
    options = {"boundary": torus, "self_pairs": False}
    expected = sums.potential_and_field(kernel, x, x, backend="dense", **options)
    result = sums.potential_and_field(kernel, x, x, backend=BACKENDS[backend], tolerance=1e-6, **options)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_are_summed_each_by_itself(backend):
    kernel, torus = KERNELS["gaussian"], PeriodicBoundary(1.0)
    x, y = torch.stack([hard_cloud(30, 2, seed) for seed in (0, 1)]), torch.rand(2, 20, 2, dtype=torch.float64)
    result = sums.field(kernel, x, y, boundary=torus, backend=BACKENDS[backend], tolerance=1e-6)
    expected = sums.field(kernel, x, y, boundary=torus, backend="dense")
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("boundary_name", ["all images", "open"])
def test_empty_clouds_and_single_points_are_ordinary(backend, rows, columns, boundary_name):
    kernel, boundary = KERNELS["gaussian"], BOUNDARIES[boundary_name](2)
    x, y = torch.rand(rows, 2), torch.rand(columns, 2)
    result = sums.potential_and_field(kernel, x, y, boundary=boundary, backend=BACKENDS[backend], tolerance=1e-4)
    expected = sums.potential_and_field(kernel, x, y, boundary=boundary, backend="dense")
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_and_second_derivatives_are_those_of_the_exact_sums(backend):
    kernel = GaussianKernel(0.2, learnable=True)
    x, y, weights = (tensor[:40].clone().requires_grad_() for tensor in clouds(2, torch.float64))

    def derivatives(**options):
        potential = sums.potential(kernel, x, y, weights, boundary=PeriodicBoundary(1.0, images="all"), **options)
        first = torch.autograd.grad(potential.square().sum(), [x, y, weights, *kernel.parameters()], create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), [x, y, weights, *kernel.parameters()])
        return [*first, *second]

    expected = derivatives(backend="dense")
    for result, wanted in zip(derivatives(backend=BACKENDS[backend], tolerance=1e-8), expected, strict=True):
        assert (result - wanted).norm() <= 1e-7 * wanted.norm()


@pytest.mark.parametrize("backend", BACKENDS)
def test_settings_stay_while_points_move_a_little_in_open_space(backend):
    x = hard_cloud(50, 2, 0)
    found = {
        settings_of(prepare(KERNELS["gaussian"], x + shift, x, backend=BACKENDS[backend], tolerance=1e-4).asked(1))
        for shift in (0.0, 1e-3)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("backend", "kernel", "tolerance", "reason"),
    [
        ("fourier", GaussianKernel(0.1), None, "no tolerance was given"),
        ("nufft", GaussianKernel(0.1), 1e-13, "float64 does not hold"),
        ("fourier", GaussianKernel(0.01), 1e-13, "float64 holds them"),
        ("fourier", LaplacianKernel(0.1), 1e-4, "fall too slowly"),
    ],
)
def test_a_named_backend_that_cannot_says_why(backend, kernel, tolerance, reason):
    x = torch.rand(10, 2, dtype=torch.float64)
    with pytest.raises(BackendError, match=reason):
        sums.field(kernel, x, x, boundary=PeriodicBoundary(1.0, images="all"), backend=backend, tolerance=tolerance)


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setattr("interflow.sums.backends.nufft.is_installed", lambda package: False)
    x = torch.rand(10, 2)
    with pytest.raises(BackendError, match="finufft is not installed"):
        sums.field(GaussianKernel(0.1), x, x, boundary=PeriodicBoundary(1.0), backend="nufft", tolerance=1e-4)


@pytest.mark.parametrize(("device", "reason"), [("mps", "mps"), ("xpu", None)])
def test_a_device_without_float64_is_refused(device, reason):
    x = torch.rand(10, 2)
    pairs = prepare(GaussianKernel(0.05), x, x, boundary=PeriodicBoundary(1.0), backend="fourier", tolerance=1e-2)
    elsewhere = type("Elsewhere", (PairSum,), {"device": device})
    obstacle = Fourier().unsupported_reason(elsewhere(**vars(pairs.asked(1))))
    assert (obstacle is None) if reason is None else (reason in obstacle)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_kernel_that_changes_is_summed_anew(backend):
    x, y, weights = clouds(2, torch.float64)
    torus, kernel = PeriodicBoundary(1.0, images="all"), GaussianKernel(0.1)
    for sigma in (0.1, 0.2, 0.1):
        kernel.sigma = sigma
        expected = sums.field(kernel, x, y, weights, boundary=torus, backend="dense")
        result = sums.field(kernel, x, y, weights, boundary=torus, backend=BACKENDS[backend], tolerance=1e-6)
        assert share(result, expected, kernel, 1, weights, 2, 1e-6) <= 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sum_in_inference_mode_leaves_the_next_ones_their_gradients(backend):
    x, y, weights = clouds(2, torch.float64)
    options = {"boundary": PeriodicBoundary(1.0, images="all"), "backend": BACKENDS[backend], "tolerance": 1e-4}
    kernel = GaussianKernel(0.1234)  # of which nothing is kept yet
    with torch.inference_mode():
        sums.field(kernel, x, y, weights, **options)
    sums.field(kernel, x, y, weights.requires_grad_(), **options).sum().backward()
    assert weights.grad.isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("round_off", [torch.Tensor.float, torch.Tensor.double], ids=["float32", "float64"])
def test_a_band_on_a_torus_with_rounded_periods_keeps_the_promise_or_is_refused(backend, round_off):
    lengths = torch.tensor([0.3, 0.7], dtype=torch.float64)
    kernel, torus = BandlimitedEnergyKernel(lengths, modes=4), PeriodicBoundary(round_off(lengths))
    x, y, weights = clouds(2, torch.float64)
    expected = sums.field(kernel, x, y, weights, boundary=torus, backend="dense")
    with refused_for("not known on a torus of the periods", unless=round_off is torch.Tensor.double):
        result = sums.field(kernel, x, y, weights, boundary=torus, backend=BACKENDS[backend], tolerance=1e-4)
        assert share(result, expected, kernel, 1, weights, 2, 1e-4) <= 1.0


@pytest.mark.parametrize("backend", ["fourier", "nufft", "sorted", "auto"])
@pytest.mark.parametrize("images", ["nearest", "all"])
@pytest.mark.parametrize("ask", [sums.potential, sums.field, mmd], ids=["potential", "field", "mmd"])
def test_a_gradient_by_the_period_is_right_or_refused(backend, images, ask):
    torus, kernel = learnable_circle(images), LaplacianKernel(0.05) if backend == "sorted" else GaussianKernel(0.05)
    x, y = (cloud[:, :1].clone() for cloud in clouds(2, torch.float64)[:2])
    ask(kernel, x, y, boundary=torus, backend="dense").square().sum().backward()
    expected = torus.log_lengths.grad.clone()
    torus.log_lengths.grad = None
    with refused_for("derivatives by the", unless=backend == "auto"):
        ask(kernel, x, y, boundary=torus, backend=backend, tolerance=1e-4).square().sum().backward()
        torch.testing.assert_close(torus.log_lengths.grad, expected, rtol=1e-3, atol=1e-6)
    with torch.no_grad():  # where none can be asked, nothing is refused
        ask(kernel, x, y, boundary=torus, backend=backend, tolerance=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gradient_by_the_period_of_one_axis_is_refused(backend):
    channel = ProductBoundary([learnable_circle("all"), OpenBoundary()])
    x, y, weights = clouds(2, torch.float64)
    with pytest.raises(BackendError, match="derivatives by the periods"):
        sums.potential(GaussianKernel(0.1), x, y, weights, boundary=channel, backend=backend, tolerance=1e-4)


CUSPS = {
    "laplacian": LaplacianKernel(0.3),
    "matern-3/2": MaternKernel(0.3, 1.5),
    "matern-5/2": MaternKernel(0.3, 2.5),
    "gaussian": GaussianKernel(0.2),
}


def differentiated(kernel, x, y, start, order, **options):
    """A derivative of the first points, of a given order, from a potential or from a field."""
    x = x.clone().requires_grad_()
    value = sums.field(kernel, x, y, **options)[:, 0] if start else sums.potential(kernel, x, y, **options)
    for _ in range(order - start):
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        value = slope[:, 0]
    return value.detach()


@pytest.mark.parametrize("backend", [*BACKENDS, "auto"])
@pytest.mark.parametrize("name", CUSPS)
@pytest.mark.parametrize(
    ("start", "order", "tolerance"), [(0, 1, 1e-3), (0, 2, 1e-1), (0, 2, 1e-3), (0, 3, 1e-2), (1, 2, 1e-1)]
)
def test_a_derivative_of_any_order_keeps_a_promise_or_is_refused(backend, name, start, order, tolerance):
    kernel, options = CUSPS[name], {"boundary": PeriodicBoundary(1.0, images="all")}
    x, y = hard_cloud(60, 1, 1), hard_cloud(40, 1, 2) + 0.5
    expected = differentiated(kernel, x, y, start, order, backend="dense", **options)
    near = differentiated(kernel, torch.linspace(1e-3, 1.0, 2000).double()[:, None], y[:1] * 0, 0, order, **options)
    with refused_for("", unless=name == "gaussian"):
        result = differentiated(kernel, x, y, start, order, backend=backend, tolerance=tolerance, **options)
        allowed = tolerance * (expected.norm() + 0.01 * len(x) ** 0.5 * near.abs().max())
        assert (result - expected).norm() <= allowed


@pytest.mark.parametrize("backend", BACKENDS)
def test_second_derivatives_between_both_clouds_are_refused_alike(backend):
    x, y = (cloud[:20, :1].clone().requires_grad_() for cloud in clouds(2, torch.float64)[:2])
    options = {"boundary": PeriodicBoundary(1.0, images="all"), "backend": backend, "tolerance": 1e-2}
    for first, second in ((x, y), (y, x), (y, y)):
        u = sums.potential(MaternKernel(0.3, 1.5), x, y, **options)
        (slope,) = torch.autograd.grad(u.square().sum(), first, create_graph=True)
        with pytest.raises(BackendError, match="Derivatives of order 2"):
            torch.autograd.grad(slope.square().sum(), second)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_potential_is_refused_where_its_gradient_is_wanted_and_cannot_be_promised(backend):
    x, options = torch.rand(30, 1).double(), {"boundary": PeriodicBoundary(1.0, images="all"), "tolerance": 1e-2}
    kernel = LaplacianKernel(0.2)
    sums.potential(kernel, x, x, backend=backend, **options)
    for points in ((x.clone().requires_grad_(), x), (x, x.clone().requires_grad_())):
        with pytest.raises(BackendError, match="fall too slowly"):
            sums.potential(kernel, *points, backend=backend, **options)
        with torch.no_grad():
            sums.potential(kernel, *points, backend=backend, **options)
        sums.potential(kernel, *points, **options).sum().backward()
