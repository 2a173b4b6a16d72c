"""Arguments that do not fit are refused by name."""

from __future__ import annotations

import pytest
import torch

from interflow.boundaries import PeriodicBoundary, ProductBoundary
from interflow.errors import ArgumentError, BackendError, InterflowWarning
from interflow.kernels import GaussianKernel, LennardJonesKernel, RadialKernel, SoftSphereKernel
from interflow.sums import bilinear, field, potential, potential_and_field, quadratic
from tests.sums.cases import cloud, signed_weights

KERNEL = GaussianKernel(0.3)
X, Y, W = cloud(4, 2, 0), cloud(3, 2, 1), signed_weights(3, 2)
SUMS = pytest.mark.parametrize("total", [potential, field, potential_and_field])


@SUMS
@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("kernel", (lambda r: r, X, Y)),
        ("x", (KERNEL, X[0], Y)),
        ("x", (KERNEL, X[None, None], Y)),
        ("x", (KERNEL, X.long(), Y)),
        ("x", (KERNEL, X.tolist(), Y)),
        ("x", (KERNEL, X[:, :0], Y)),
        ("y", (KERNEL, X, Y[0])),
        ("y", (KERNEL, X, Y[:, :1])),
        ("y", (KERNEL, X, Y.float())),
        ("y", (KERNEL, X, Y.to("meta"))),
        ("y", (KERNEL, X, Y[None])),
        ("y", (KERNEL, X.expand(2, 4, 2), Y.expand(3, 3, 2))),
        ("weights", (KERNEL, X, Y, W[:2])),
        ("weights", (KERNEL, X, Y, W[None])),
        ("weights", (KERNEL, X, Y, W.float())),
        ("weights", (KERNEL, X, Y, W.long())),
        ("weights", (KERNEL, X, Y, W.to("meta"))),
        ("weights", (KERNEL, X, Y, 1.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(total, argument, arguments):
    with pytest.raises(ArgumentError) as caught:
        total(*arguments)
    assert caught.value.argument == argument


@SUMS
@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("boundary", {"boundary": 1.0}),
        ("positions", {"boundary": ProductBoundary([PeriodicBoundary(1.0)])}),
        ("positions", {"boundary": PeriodicBoundary(torch.ones(3))}),
        ("self_pairs", {"self_pairs": False}),
        ("tolerance", {"tolerance": 1e-18}),
        ("backend", {"backend": "dens"}),
        ("backend", {"backend": None}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_option_that_cannot_be_used_is_named(total, argument, options):
    with pytest.raises(ArgumentError) as caught:
        total(KERNEL, X, Y, **options)
    assert caught.value.argument == argument


def test_an_unknown_backend_is_told_the_choices():
    with pytest.raises(ArgumentError, match="auto, dense, compiled, keops"):
        potential(KERNEL, X, Y, backend="cuda")


@pytest.mark.parametrize("options", [{"tolerance": 1e-18}, {"backend": "dens"}, {"boundary": 1.0}], ids=list)
def test_forms_refuse_the_same_options(options):
    (argument,) = options
    for form in (lambda: quadratic(KERNEL, X, **options), lambda: bilinear(KERNEL, X, Y, **options)):
        with pytest.raises(ArgumentError) as caught:
            form()
        assert caught.value.argument == argument


def test_a_form_names_the_weights_of_the_side_that_is_wrong():
    with pytest.raises(ArgumentError) as caught:
        bilinear(KERNEL, X, Y, W, W)
    assert caught.value.argument == "x_weights"
    with pytest.raises(ArgumentError) as caught:
        quadratic(KERNEL, X, W)
    assert caught.value.argument == "weights"


def test_a_bilinear_form_names_the_weights_of_its_columns():
    with pytest.raises(ArgumentError) as caught:
        bilinear(KERNEL, X, Y, None, W[:2])
    assert caught.value.argument == "y_weights"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_types_are_summed_in_float32_with_a_warning(dtype):
    x, y, w = X.to(dtype), Y.to(dtype), W.to(dtype)
    with pytest.warns(InterflowWarning, match="float32"):
        u, f = potential_and_field(KERNEL, x, y, w, backend="dense")
    assert u.dtype == f.dtype == torch.float32
    expected = potential_and_field(KERNEL, x.float(), y.float(), w.float(), backend="dense")
    torch.testing.assert_close((u, f), expected, rtol=0, atol=0)
    with pytest.warns(InterflowWarning, match="float32"):
        assert quadratic(KERNEL, y, w).dtype == torch.float32


@pytest.mark.parametrize("make", [lambda c: LennardJonesKernel(1.0, 0.1, cutoff=c), lambda c: SoftSphereKernel(1.0, c)])
def test_a_cutoff_over_half_a_period_is_refused_also_inside_a_sum_of_kernels(make):
    torus = PeriodicBoundary(torch.tensor([1.0, 3.0]))
    potential(make(0.5), X, Y, boundary=torus)
    potential(make(0.6), X, Y)
    for kernel in (make(0.6), 2.0 * KERNEL + 3.0 * make(0.6)):
        with pytest.raises(ArgumentError, match="half of the period") as caught:
            potential(kernel, X, Y, boundary=torus)
        assert caught.value.argument == "cutoff"


class HyperbolicTangent(RadialKernel):
    def profile(self, squared_distance):
        return squared_distance.tanh()


def test_a_named_backend_that_cannot_run_a_kernel_says_why():
    with pytest.raises(BackendError, match="keops cannot run this sum: KeOps has no operation tanh"):
        potential(HyperbolicTangent(), X, Y, backend="keops")
    potential(HyperbolicTangent(), X, Y, backend="auto")
